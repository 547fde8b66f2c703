package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

// summary is what came of a load.
type summary struct {
	settings settings
	offered  int           // requests that were due
	took     time.Duration // to the end, or to the last answer when that came later
	rows     []row
	broken   []breach
	*results
}

// row is an operation, or one of its outcomes, with the latencies in order.
type row struct {
	operation operation
	outcome   string // "" for all of the operation
	latencies []time.Duration
}

func (r *results) summarize(s settings, offered int, took time.Duration) summary {
	r.mu.Lock()
	defer r.mu.Unlock()
	sum := summary{settings: s, offered: offered, took: took, results: r}
	for _, o := range operations {
		outcomes := r.answers[o]
		if len(outcomes) == 0 {
			continue
		}
		all := row{operation: o}
		var rows []row
		for _, name := range slices.Sorted(maps.Keys(outcomes)) {
			all.latencies = append(all.latencies, outcomes[name]...)
			rows = append(rows, row{operation: o, outcome: name, latencies: slices.Sorted(slices.Values(outcomes[name]))})
		}
		slices.Sort(all.latencies)
		sum.rows = append(append(sum.rows, all), rows...)
	}
	for _, b := range r.broken {
		sum.broken = append(sum.broken, *b)
	}
	slices.SortFunc(sum.broken, func(a, b breach) int {
		return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(a.operation, b.operation), cmp.Compare(a.what, b.what))
	})
	return sum
}

func (s summary) print(out io.Writer) {
	fmt.Fprintf(out, "\noffered   %8.1f requests/s, %d in all\n", float64(s.settings.rate), s.offered)
	fmt.Fprintf(out, "achieved  %8.1f answers/s, %d in %.1f s\n", s.rate(), s.answered, s.took.Seconds())
	for _, line := range []struct {
		count int
		what  string
	}{
		{s.offered - s.started, "were due and never begun"},
		{s.lost, "were not answered"},
		{s.brokenOff, "were broken off by Ctrl-C"},
	} {
		if line.count > 0 {
			fmt.Fprintf(out, "          %8d %s\n", line.count, line.what)
		}
	}
	if s.late > 0 {
		fmt.Fprintf(out, "          %8d were begun more than %s late, at most %s\n", s.late, milliseconds(late), milliseconds(s.latest))
	}

	if len(s.rows) > 0 {
		fmt.Fprintf(out, "\n%-12s%-28s%8s%10s%10s%10s%10s\n", "operation", "outcome", "count", "p50", "p90", "p99", "max")
	}
	for _, r := range s.rows {
		name, outcome := string(r.operation), "all"
		if r.outcome != "" {
			name, outcome = "", r.outcome
		}
		fmt.Fprintf(out, "%-12s%-28s%8d%10s%10s%10s%10s\n", name, outcome, len(r.latencies), shownPercentile(r.latencies, 50),
			shownPercentile(r.latencies, 90), shownPercentile(r.latencies, 99), shownPercentile(r.latencies, 100))
	}

	if len(s.broken) == 0 {
		fmt.Fprintf(out, "\nEvery answer was as promised.\n")
		return
	}
	fmt.Fprintf(out, "\nNot as promised:\n")
	for _, b := range s.broken {
		fmt.Fprintf(out, "%6d × %s: %s (%s)\n", b.count, b.operation, b.what, b.example)
	}
}

// rate is how many answers came per second.
func (s summary) rate() float64 {
	if s.took <= 0 {
		return 0
	}
	return float64(s.answered) / s.took.Seconds()
}

// shownPercentile is a dash when there are no latencies.
func shownPercentile(ordered []time.Duration, percent int) string {
	if len(ordered) == 0 {
		return "-"
	}
	return milliseconds(percentile(ordered, percent))
}

// milliseconds are a latency as it is shown.
func milliseconds(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case d == never:
		return "never"
	case ms < 99.95:
		return fmt.Sprintf("%.1f ms", ms)
	case ms < 9_999.5:
		return fmt.Sprintf("%.0f ms", ms)
	default:
		return fmt.Sprintf("%.1f s", ms/1000)
	}
}
