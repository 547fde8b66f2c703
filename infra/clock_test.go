package infra_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// An alarm that counts periods in a row never rings when the clock runs in some of
// them only, and one that waits for a run rings when all is well.
func TestTheClockRunsInEveryPeriodOfItsAlarms(t *testing.T) {
	var template struct {
		Parameters map[string]struct {
			Default        string `yaml:"Default"`
			AllowedPattern string `yaml:"AllowedPattern"`
		} `yaml:"Parameters"`
	}
	readTemplate(t, "../template.yaml", &template)
	schedule := template.Parameters["SweepSchedule"]
	allowed, err := regexp.Compile(schedule.AllowedPattern)
	if err != nil {
		t.Fatal(err)
	}
	longest := 0
	for minutes := range 10_000 {
		text := fmt.Sprintf("rate(%d minutes)", minutes)
		if minutes == 1 {
			text = "rate(1 minute)" // EventBridge takes no other
		}
		if allowed.MatchString(text) {
			longest = minutes
		}
	}
	for _, refused := range []string{
		"", "rate(0 minutes)", "rate(1 minutes)", "rate(15 minute)", "rate(1 hour)", "rate(1 day)", "cron(0 3 * * ? *)", "15 minutes", "rate(15 minutes) ",
	} {
		if allowed.MatchString(refused) {
			t.Errorf("%q is allowed", refused)
		}
	}
	if !allowed.MatchString(schedule.Default) || longest == 0 {
		t.Errorf("the default %s is allowed: %t; the longest is %d minutes", schedule.Default, allowed.MatchString(schedule.Default), longest)
	}
	ofTheClock := 0
	for name, node := range resourcesOf(t, "alarms.yaml") {
		var alarm struct {
			Properties struct {
				Period int `yaml:"Period"`
			} `yaml:"Properties"`
		}
		if !strings.HasPrefix(name, "Sweep") {
			continue
		}
		ofTheClock++
		if err := node.Decode(&alarm); err != nil || alarm.Properties.Period < longest*60 {
			t.Errorf("%s: a period of %d seconds, and the clock may run every %d minutes (%v)", name, alarm.Properties.Period, longest, err)
		}
	}
	if ofTheClock == 0 {
		t.Error("no alarm is the clock's")
	}
}
