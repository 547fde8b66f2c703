package store

import (
	"testing"
	"time"

	"github.com/userapikey/service/shared/apikey"
)

func BenchmarkDecodeRing(b *testing.B) {
	ring := apikey.Ring{Owner: apikey.Owner{AccountID: "account-1", IAMID: "IBMid-1", Username: "ada"}}
	now := time.Now()
	for i := range 3 {
		id, _ := apikey.NewUUID(now, zero{})
		m := apikey.Material{KeyID: id, Digest: apikey.Digest{1}, SecretARN: "arn", VersionID: id.String()}
		c := apikey.Command{Now: now}
		if i == 0 {
			ring, _, _ = ring.Create(c, m)
		} else {
			ring, _, _ = ring.Rotate(c, m)
		}
	}
	item := encodeRing(ring)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decodeRing(item); err != nil {
			b.Fatal(err)
		}
	}
}

type zero struct{}

func (zero) Read(b []byte) (int, error) { return len(b), nil }
