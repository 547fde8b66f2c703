package main

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// operation is what a request does.
type operation string

// The operations of a load.
const (
	decide    operation = "decide"
	view      operation = "view"
	create    operation = "create"
	rotate    operation = "rotate"
	deleteOne operation = "delete-one" // a Phased out key
	deleteAll operation = "delete-all"
)

// operations are all of them, in the order in which they are shown.
var operations = []operation{decide, view, create, rotate, deleteOne, deleteAll}

const defaultMix = "decide=900,view=40,create=20,rotate=25,delete-one=10,delete-all=5"

// mix is the share of each operation, in parts of their sum.
type mix map[operation]int

// parseMix reads shares as `decide=90,view=10`. What is not named has none.
func parseMix(text string) (mix, error) {
	m := mix{}
	for part := range strings.SplitSeq(text, ",") {
		name, number, _ := strings.Cut(part, "=")
		share, err := strconv.Atoi(number)
		if err != nil || share < 0 || share > 1000 {
			return nil, fmt.Errorf("the share %q is not of the form decide=90", part)
		}
		if _, named := m[operation(name)]; named {
			return nil, fmt.Errorf("%s has two shares", name)
		}
		m[operation(name)] = share
	}
	known := 0
	for _, o := range operations {
		if _, named := m[o]; named {
			known++
		}
	}
	if known != len(m) {
		return nil, fmt.Errorf("the mix %q has an operation other than %v", text, operations)
	}
	if m.sum() == 0 {
		return nil, fmt.Errorf("the mix %q has no share", text)
	}
	return m, nil
}

func (m mix) sum() int {
	sum := 0
	for _, share := range m {
		sum += share
	}
	return sum
}

// pick is the operation at a place from 0 to the sum.
func (m mix) pick(place int) operation {
	for _, o := range operations {
		if place -= m[o]; place < 0 {
			return o
		}
	}
	return decide
}

func (m mix) String() string {
	var parts []string
	for _, o := range operations {
		if m[o] > 0 {
			parts = append(parts, fmt.Sprintf("%s %.3g %%", o, 100*float64(m[o])/float64(m.sum())))
		}
	}
	return strings.Join(parts, ", ")
}

// plan draws what each request does, and about whom.
type plan struct {
	random *rand.Rand
	mix    mix
	owners []*owner
}

// task is a request that was drawn.
type task struct {
	operation operation
	owner     *owner
	// roll is from 0 to 99 and decides what the operation leaves open.
	roll int
}

// newPlan makes one that always draws the same, so that runs can be compared.
func newPlan(m mix, owners []*owner) *plan {
	return &plan{random: rand.New(rand.NewPCG(1, 1)), mix: m, owners: owners} //nolint:gosec // who comes next is no secret
}

func (p *plan) next() task {
	return task{
		operation: p.mix.pick(p.random.IntN(p.mix.sum())),
		owner:     p.owners[p.random.IntN(len(p.owners))],
		roll:      p.random.IntN(100),
	}
}
