package vault_test

import (
	"strings"
	"testing"
)

// What the tests of every other package trust finds each way in which a secret can
// disagree with its ring.
func TestCheckOfARepairFindsEveryDisagreement(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*scene)
		want  string
	}{
		"none":                   {func(*scene) {}, ""},
		"no Active key":          {func(s *scene) { s.ring.Active = nil }, ""},
		"not repaired":           {func(s *scene) { s.rotate() }, "was left behind"},
		"a label of no key":      {func(s *scene) { s.label("somebody-else", s.ring.Active.VersionID) }, "somebody-else was left behind"},
		"another one is current": {func(s *scene) { s.label("AWSCURRENT", s.ring.PhasedOut[0].VersionID) }, "AWSCURRENT is on"},
		"no such version":        {func(s *scene) { s.ring.Active.VersionID = "gone" }, "is not in Secrets Manager"},
		"another key's version":  {func(s *scene) { s.ring.Active.VersionID = s.ring.PhasedOut[0].VersionID }, "holds something else"},
		"another digest":         {func(s *scene) { s.ring.Active.Digest[0]++ }, "holds something else"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.create()
			s.rotate()
			s.repair()
			c.spoil(s)
			err := s.engine.CheckRepaired(t.Context(), s.ring)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("found %v, want %q", err, c.want)
			}
		})
	}
}
