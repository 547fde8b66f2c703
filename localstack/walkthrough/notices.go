package main

import (
	"context"
	"fmt"
	"time"

	"github.com/userapikey/service/localstack/deployed"
)

// noticesWithin is how long notices may take: far more than they do.
const noticesWithin = 20 * time.Second

// notices is what the platform is told, as it arrives.
type notices struct {
	subscription *deployed.Subscription
	// patience is how long a notice may take to arrive.
	patience time.Duration
	// changes are the notices that came before those of an earlier change, by
	// revision; revision is the last one without a gap.
	changes  map[int64]deployed.Notice
	revision int64
}

// hear shows the notices of all changes up to a revision, in their order, and
// what else was announced meanwhile.
func (s *script) hear(shows string, upTo *int64) {
	s.aside(shows, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), s.notices.patience)
		defer cancel()
		for s.notices.revision < *upTo {
			received, err := s.notices.subscription.Receive(ctx)
			if err != nil {
				return fmt.Errorf("no notice of revision %d: %w", s.notices.revision+1, err)
			}
			for _, notice := range received {
				if notice.Type.IsChange() {
					s.notices.changes[notice.Detail.Revision] = notice
				} else {
					s.show(notice, "")
				}
			}
			s.showInOrder()
		}
		return nil
	})
}

func (s *script) showInOrder() {
	for {
		next := s.notices.revision + 1
		notice, arrived := s.notices.changes[next]
		if !arrived {
			return
		}
		s.notices.revision = next
		s.show(notice, fmt.Sprint(next))
	}
}

func (s *script) show(notice deployed.Notice, revision string) {
	metadata := notice.Detail.Metadata
	_, _ = fmt.Fprintf(s.out, "   %2s  %-36s by %s %s, %d ms after it happened\n", revision, notice.Type,
		metadata.Actor.Kind, metadata.Actor.ID, notice.ArrivedAt.Sub(metadata.OccurredAt).Milliseconds())
}
