package store

import "github.com/userapikey/service/shared/apikey"

func encodeEvent(e apikey.Event) item {
	attributes := item{
		"id":            text(e.ID),
		"type":          text(string(e.Type)),
		"owner":         nested(encodeOwner(e.Owner)),
		"revision":      number(e.Revision),
		"occurredAt":    instant(e.OccurredAt),
		"actor":         nested(encodeActor(e.Actor)),
		"correlationId": text(e.CorrelationID),
		"keys":          list(e.Keys, encodeKey),
		"secretArn":     text(e.SecretARN),
	}
	if len(e.Schedules) > 0 {
		attributes["schedules"] = list(e.Schedules, encodeSchedule)
	}
	if e.AffectedSchedules.Count > 0 {
		attributes["affectedSchedules"] = list(e.AffectedSchedules.First, encodeSchedule)
		attributes["affectedScheduleCount"] = number(int64(e.AffectedSchedules.Count))
	}
	if e.Policy != nil {
		attributes["policy"] = nested(encodePolicy(*e.Policy))
	}
	if !e.DueAt.IsZero() {
		attributes["rotationDueAt"] = instant(e.DueAt) // dueAt is an index's, and a number
	}
	if e.Job != (apikey.Job{}) {
		attributes["job"] = nested(item{"id": text(e.Job.ID), "type": text(e.Job.Type), "service": text(e.Job.Service)})
	}
	if e.Reason != "" {
		attributes["reason"] = text(e.Reason)
	}
	if e.AffectedRuns > 0 {
		attributes["affectedRuns"] = number(int64(e.AffectedRuns))
	}
	return attributes
}

func decodeEvent(r reader) (apikey.Event, error) {
	event := apikey.Event{
		ID:            r.text("id"),
		Type:          apikey.EventType(r.text("type")),
		Owner:         decodeOwner(r.nested("owner")),
		Revision:      r.number("revision"),
		OccurredAt:    r.instant("occurredAt"),
		Actor:         decodeActor(r.nested("actor")),
		CorrelationID: r.text("correlationId"),
		Keys:          decodeKeys(r),
		SecretARN:     r.text("secretArn"),
		Schedules:     readList(r, "schedules", decodeSchedule),
		AffectedRuns:  r.count("affectedRuns"),
	}
	if r.has("affectedScheduleCount") {
		event.AffectedSchedules = apikey.AffectedSchedules{
			First: readList(r, "affectedSchedules", decodeSchedule),
			Count: int(r.number("affectedScheduleCount")),
		}
	}
	if r.has("policy") {
		policy := decodePolicy(r.nested("policy"))
		event.Policy = &policy
	}
	if r.has("rotationDueAt") {
		event.DueAt = r.instant("rotationDueAt")
	}
	if r.has("job") {
		job := r.nested("job")
		event.Job = apikey.Job{ID: job.text("id"), Type: job.text("type"), Service: job.text("service")}
	}
	event.Reason = r.optionalText("reason")
	return event, *r.err
}

// decodeKeys reads the keys of an event: every event has them, be it none.
func decodeKeys(r reader) []apikey.Key {
	if !r.has("keys") {
		r.fail("keys", errAttribute)
	}
	return readList(r, "keys", decodeKey)
}

func encodeSchedule(s apikey.Schedule) item {
	attributes := item{
		"id":       text(s.ID),
		"binding":  text(string(s.Binding)),
		"boundAt":  instant(s.BoundAt),
		"revision": number(s.Revision),
	}
	if s.Binding == apikey.Pinned {
		attributes["keyId"] = text(s.KeyID.String())
	}
	for name, value := range map[string]string{"jobId": s.JobID, "jobType": s.JobType, "service": s.Service, "description": s.Description} {
		if value != "" {
			attributes[name] = text(value)
		}
	}
	return attributes
}

func decodeSchedule(r reader) apikey.Schedule {
	s := apikey.Schedule{
		ID:          r.text("id"),
		Binding:     apikey.Binding(r.text("binding")),
		JobID:       r.optionalText("jobId"),
		JobType:     r.optionalText("jobType"),
		Service:     r.optionalText("service"),
		Description: r.optionalText("description"),
		BoundAt:     r.instant("boundAt"),
		Revision:    r.number("revision"),
	}
	switch s.Binding {
	case apikey.Pinned:
		s.KeyID = r.uuid("keyId")
	case apikey.FollowActive:
	default:
		r.fail("binding", errAttribute)
	}
	return s
}
