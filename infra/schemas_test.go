package infra_test

import (
	"strings"
	"testing"
)

// What the schemas let pass and what they refuse: conditions are easily written
// so that a validator does not see them. (This one, for instance, overlooks a
// property whose schema is just false.)
func TestSchemasRefuseWhatCannotBe(t *testing.T) {
	c := loadContract(t)
	const (
		active    = `{"id":"01a19d26-820f-7e18-9a3d-4169f6b09879","name":"cpd-apikey-IBMid-1-2026-11-02T16:45:09.007Z","status":"ACTIVE","createdAt":"2026-11-02T16:45:09.007Z","createdBy":{"kind":"user","id":"IBMid-1"}}`
		owner     = `{"accountId":"account-1","iamId":"IBMid-1","username":""}`
		named     = `{"id":"01a19d26-820f-7e18-9a3d-4169f6b09879","name":"cpd-apikey-IBMid-1-2026-11-02T16:45:09.007Z"}`
		secret    = `{"arn":"arn:aws:secretsmanager:us-east-1:111122223333:secret:a-AbCdEf","versionId":"01a19d26-820f-7e18-9a3d-4169f6b09879"}`
		nothing   = `{"schedules":[],"scheduleCount":0,"runs":[],"runCount":0}`
		problem   = `"title":"T","detail":"D.","requestId":"r","type":"https://github.com/userapikey/service/blob/main/docs/problems.md#conflict"`
		invalid   = `{"status":400,"code":"invalid_request","field":"jobId",` + problem + `}`
		conflict  = `{"status":409,"code":"conflict",` + problem + `}`
		created   = `{"key":` + active + `,"credential":"` + firstCredential + `","revision":1}`
		keys      = `{"owner":` + owner + `,"active":` + active + `,"phasedOut":[],"revision":1,"suspended":false}`
		allowed   = `{"allowed":true,"reason":"key_active","key":` + named + `,"owner":` + owner + `,"secret":` + secret + `}`
		refused   = `{"allowed":false,"reason":"key_phased_out","key":` + named + `,"owner":` + owner + `}`
		unknown   = `{"allowed":false,"reason":"key_unknown"}`
		lease     = `{"ref":"` + sampleRunRef + `","leaseExpiresAt":"2026-11-02T16:45:09.007Z"}`
		undecided = `{"allowed":false,"reason":"invalid_request","detail":"No."}`
		run       = `{"ref":"` + sampleRunRef + `","runId":"r","jobId":"j","jobType":"pipeline","startedAt":"2026-11-02T16:45:09.007Z","leaseExpiresAt":"2026-11-02T16:45:09.007Z"}`
		schedule  = `{"id":"a","scheduleRef":"` + followingRef + `","boundAt":"2026-11-02T16:45:09.007Z","state":"ready"`
		follows   = schedule + `,"binding":"follow_active"}`
		pinned    = schedule + `,"binding":"pinned","keyId":"01a19d26-820f-7e18-9a3d-4169f6b09879"}`
		change    = `{"id":"01a19d26-8210-7d4f-8a11-6c0b8e1f2a37","revision":1,"type":"User API Key Created","occurredAt":"2026-11-02T16:45:09.007Z","actor":{"kind":"user","id":"IBMid-1"},"correlationId":"r","keys":[` + active + `]}`
		history   = `{"changes":[` + change + `],"nextCursor":"` + sampleCursor + `"}`
		lastPage  = `{"changes":[],"nextCursor":null}`
		off       = `{"maxAgeDays":null,"noticeDays":null,"deletePhasedOutAfterDays":null,"inherited":false}`
		policy    = `{"maxAgeDays":90,"noticeDays":14,"deletePhasedOutAfterDays":30,"inherited":false}`
		overdue   = `{"owner":` + owner + `,"active":` + active + `,"phasedOutCount":0,"rotationPolicy":` + policy + `,"overdue":true,"suspended":false}`
		suspended = `{"owner":` + owner + `,"active":null,"phasedOutCount":0,"rotationPolicy":` + off + `,"overdue":false,"suspended":true}`
		phasedOut = `"status":"PHASED_OUT","phasedOutAt":"2026-11-02T16:45:09.007Z"`
	)
	var (
		old               = strings.Replace(active, `"status":"ACTIVE"`, phasedOut, 1)
		used              = `{"lastUsedAt":"2026-11-02T16:45:09.007Z",` + active[1:]
		rotated           = `{"key":` + active + `,"phasedOut":` + old + `,"revision":2,"affected":` + nothing + `}`
		deleted           = `{"deleted":[` + active + `],"revision":2,"affected":` + nothing + `}`
		impact            = `{"key":` + active + `,"onDelete":` + nothing + `,"onRotate":` + nothing + `}`
		impactOfPhasedOut = `{"key":` + old + `,"onDelete":` + nothing + `,"onRotate":null}`
		boundChange       = strings.NewReplacer("Key Created", "Key Schedule Bound", `"keys":[`+active+`]`, `"keys":[],"schedules":[{"id":"a","binding":"follow_active"}]`).Replace(change)
		policyChange      = strings.NewReplacer("Key Created", "Key Rotation Policy Changed", `"keys":[`+active+`]`, `"keys":[],"rotationPolicy":`+policy).Replace(change)
		suspension        = strings.Replace(change, "Key Created", "Key Owner Suspended", 1)
		reinstatement     = strings.NewReplacer("Key Created", "Key Owner Reinstated", active, "").Replace(change)
		allowedRun        = strings.Replace(allowed, `"key":`, `"run":`+lease+`,"key":`, 1)
		renewed           = strings.Replace(allowedRun, "key_active", "key_phased_out", 1)
		stopped           = `{"allowed":false,"reason":"key_deleted","key":{"id":"01a19d26-820f-7e18-9a3d-4169f6b09879"},"owner":` + owner + `}`
	)
	for _, test := range []struct{ schema, good, from, to string }{
		{"Key", active, `"ACTIVE"`, `"PHASED_OUT"`},
		{"Key", active, `"ACTIVE"`, `"DELETED"`},
		{"Key", active, `"status":"ACTIVE"`, `"status":"ACTIVE","phasedOutAt":"2026-11-02T16:45:09.007Z"`},
		{"Key", used, `"lastUsedAt":"2026-11-02T16:45:09.007Z"`, `"lastUsedAt":null`},
		{"Key", active, `01a19d26-820f-7e18`, `01A19D26-820f-7e18`},
		{"Key", active, `01a19d26-820f-7e18`, `01a19d26-820f-4e18`},
		{"Key", active, `"createdAt":"2026-11-02T16:45:09.007Z"`, `"createdAt":"2026-11-02T16:45:09Z"`},
		{"Key", active, `"createdAt":"2026-11-02T16:45:09.007Z"`, `"createdAt":"2026-13-02T16:45:09.007Z"`},
		{"Key", active, `"cpd-apikey-IBMid-1-`, `"apikey-IBMid-1-`},
		{"Keys", keys, `"status":"ACTIVE"`, phasedOut},
		{"Keys", keys, `"phasedOut":[]`, `"phasedOut":[` + active + `]`},
		{"Keys", keys, `"phasedOut":[]`, `"phasedOut":null`},
		{"Keys", keys, `"revision":1`, `"revision":-1`},
		{"Keys", keys, `"active":` + active + `,`, ``},
		{"CreatedKey", created, `"status":"ACTIVE"`, phasedOut},
		{"CreatedKey", created, active, used},
		{"RotatedKey", rotated, `"key":` + active, `"key":` + used},
		{"RotatedKey", rotated, `"runs":[]`, `"runs":[` + run + `]`},
		{"RotatedKey", rotated, nothing, `{"schedules":[` + follows + `],"scheduleCount":1,"runs":[],"runCount":0}`},
		{"DeletedKeys", deleted, active, used},
		{"Impact", impact, `"onRotate":` + nothing, `"onRotate":null`},
		{"Impact", impact, `"status":"ACTIVE"`, phasedOut},
		{"Impact", impact, `,"onRotate":` + nothing, ``},
		{"Impact", impactOfPhasedOut, `"onRotate":null`, `"onRotate":` + nothing},
		{"CreatedKey", created, firstCredential, firstCredential + "0"},
		{"CreatedKey", created, firstCredential, "[credential redacted]"},
		{"CreatedKey", created, `{"key"`, `{"phasedOut":null,"key"`},
		{"Change", change, `"revision":1`, `"revision":0`},
		{"Change", change, `Created`, `Made`},
		{"Change", change, `"correlationId":"r"`, `"correlationId":""`},
		{"Change", change, `"actor":{"kind":"user","id":"IBMid-1"},`, ``},
		{"Change", change, `{"id"`, `{"secretArn":"arn:aws:secretsmanager:us-east-1:111122223333:secret:a-AbCdEf","id"`},
		{"Change", change, `"keys":[{`, `"keys":[{"versionId":"01a19d26-820f-7e18-9a3d-4169f6b09879",`},
		{"Change", change, `"keys":[{`, `"keys":[{"digest":"3q2+7w==",`},
		{"Change", change, `"status":"ACTIVE"`, `"status":"DELETED"`},
		{"Change", change, active, used},
		{"Change", change, `"keys":`, `"affectedRunCount":0,"keys":`},
		{"Change", change, `"keys":`, `"schedules":[{"id":"a","binding":"follow_active"}],"keys":`},
		{"Change", boundChange, `"keys":[]`, `"keys":[` + active + `]`},
		{"Change", boundChange, `"keys":`, `"affectedScheduleCount":1,"keys":`},
		{"Change", boundChange, `,"schedules":[{"id":"a","binding":"follow_active"}]`, ``},
		{"Change", boundChange, `"schedules":[{"id":"a","binding":"follow_active"}]`, `"schedules":[]`},
		{"Change", boundChange, `"follow_active"`, `"pinned"`},
		{"Change", boundChange, `"follow_active"`, `"follow_active","keyId":"01a19d26-820f-7e18-9a3d-4169f6b09879"`},
		{"Change", boundChange, `"follow_active"`, `"follow_active","scheduleRef":"` + followingRef + `"`},
		{"Change", policyChange, `,"rotationPolicy":` + policy, ``},
		{"Change", policyChange, `"inherited":false`, `"inherited":true`},
		{"Change", policyChange, `"keys":[]`, `"keys":[` + active + `]`},
		{"Change", policyChange, `"keys":`, `"affectedRunCount":1,"keys":`},
		{"Change", suspension, `"keys":`, `"rotationPolicy":` + policy + `,"keys":`},
		{"Change", suspension, `"keys":`, `"suspended":true,"keys":`},
		{"Change", reinstatement, `"keys":[]`, `"keys":[` + active + `]`},
		{"Change", reinstatement, `"keys":`, `"affectedScheduleCount":1,"keys":`},
		{"RotationPolicy", policy, `"maxAgeDays":90`, `"maxAgeDays":null`},
		{"RotationPolicy", policy, `"maxAgeDays":90`, `"maxAgeDays":0`},
		{"RotationPolicy", policy, `"maxAgeDays":90`, `"maxAgeDays":3651`},
		{"RotationPolicy", policy, `"noticeDays":14,`, ``},
		{"RotationPolicy", policy, `,"inherited":false`, ``},
		{"RotationPolicyChange", `{"maxAgeDays":90,"noticeDays":14}`, `"maxAgeDays":90`, `"maxAgeDays":null`},
		{"RotationPolicyChange", `{"maxAgeDays":90,"noticeDays":14}`, `"maxAgeDays":90,`, ``},
		{"RotationPolicyChange", `{"deletePhasedOutAfterDays":null}`, `null`, `0`},
		{"RotationPolicyChange", `{"deletePhasedOutAfterDays":1}`, `{`, `{"inherited":false,`},
		{"User", overdue, active, `null`},
		{"User", overdue, policy, off},
		{"User", overdue, `"phasedOutCount":0`, `"phasedOutCount":21`},
		{"User", overdue, `"status":"ACTIVE"`, phasedOut},
		{"User", overdue, `{"owner"`, `{"revision":1,"owner"`},
		{"User", overdue, `"suspended":false`, `"suspended":true`},
		{"User", suspended, `"phasedOutCount":0`, `"phasedOutCount":1`},
		{"User", suspended, `"active":null,`, ``},
		{"Users", `{"users":[` + overdue + `],"nextCursor":null}`, `,"nextCursor":null`, ``},
		{"Users", `{"users":[],"nextCursor":null}`, `[]`, `null`},
		{"History", history, `,"nextCursor":"` + sampleCursor + `"`, ``},
		{"History", history, sampleCursor, ``},
		{"History", history, sampleCursor, `{"pk":"OWNER#a"}`},
		{"History", lastPage, `"changes":[]`, `"changes":null`},
		{"History", lastPage, `"nextCursor":null`, `"nextCursor":""`},
		{"Affected", nothing, `"schedules":[]`, `"schedules":[{}]`},
		{"Affected", nothing, `"runCount":0`, `"runCount":-1`},
		{"Affected", nothing, `"scheduleCount":0`, `"scheduleCount":1001`},
		{"Affected", nothing, `"runs":[]`, `"runs":[{"ref":"` + sampleRunRef + `"}]`},
		{"Schedule", follows, `"ready"`, `"key_phased_out"`},
		{"Schedule", follows, `"ready"`, `"asleep"`},
		{"Schedule", follows, `"binding":"follow_active"`, `"binding":"follow_active","keyId":"01a19d26-820f-7e18-9a3d-4169f6b09879"`},
		{"Schedule", follows, `"id":"a"`, `"id":"a b"`},
		{"Schedule", follows, `"id":"a"`, `"id":"a","service":"notebook-runtime"`},
		{"Schedule", follows, `"id":"a"`, `"id":"a","jobType":"runtime_service"`},
		{"Schedule", follows, `"id":"a"`, `"id":"a","revision":2`},
		{"Schedule", pinned, `"ready"`, `"no_active_key"`},
		{"Schedule", pinned, `,"keyId":"01a19d26-820f-7e18-9a3d-4169f6b09879"`, ``},
		{"Run", run, `"runId":"r"`, `"runId":""`},
		{"Run", run, `"runId":"r"`, `"runId":"r","keyId":"01a19d26-820f-7e18-9a3d-4169f6b09879"`},
		{"ScheduleBinding", `{"binding":"pinned","keyId":"01a19d26-820f-7e18-9a3d-4169f6b09879"}`, `"pinned"`, `"follow_active"`},
		{"ScheduleBinding", `{"binding":"pinned","credential":"` + firstCredential + `"}`, `"binding":"pinned",`, ``},
		{"ScheduleBinding", `{"jobType":"pipeline"}`, `"pipeline"`, `"runtime_service"`},
		{"Decision", allowed, `true`, `false`},
		{"Decision", allowed, `,"secret":` + secret, ``},
		{"Decision", allowed, `key_active`, `key_phased_out`},
		{"Decision", allowed, `key_active`, `schedule_key_phased_out`},
		{"Decision", allowedRun, `"leaseExpiresAt"`, `"startedAt"`},
		{"Decision", allowed, `,"name":"cpd-apikey-IBMid-1-2026-11-02T16:45:09.007Z"`, ``},
		{"Decision", refused, `false`, `true`},
		{"Decision", refused, `key_phased_out`, `key_deleted`},
		{"Decision", refused, `key_phased_out`, `no_active_key`},
		{"Decision", refused, `key_phased_out`, `schedule_unknown`},
		{"Decision", refused, `key_phased_out`, `schedule_key_deleted`},
		{"Decision", refused, `{"allowed"`, `{"run":` + lease + `,"allowed"`},
		{"Decision", refused, `{"allowed"`, `{"detail":"no","allowed"`},
		{"Decision", refused, `,"owner":` + owner, ``},
		{"Decision", unknown, `key_unknown`, `key_active`},
		{"Decision", unknown, `key_unknown`, `key_forgotten`},
		{"Decision", unknown, `"key_unknown"`, `"key_unknown","owner":` + owner},
		{"Decision", unknown, `key_unknown`, `invalid_request`},
		{"Renewal", renewed, `true`, `false`},
		{"Renewal", renewed, `key_phased_out`, `key_deleted`},
		{"Renewal", renewed, `key_phased_out`, `no_active_key`},
		{"Renewal", renewed, `"run":` + lease + `,`, ``},
		{"Renewal", stopped, `false`, `true`},
		{"Renewal", stopped, `key_deleted`, `key_phased_out`},
		{"Renewal", stopped, `{"allowed"`, `{"run":` + lease + `,"allowed"`},
		{"Decisions", `{"decisions":[` + allowed + `,` + unknown + `]}`, allowed, renewed},
		{"Decisions", `{"decisions":[` + undecided + `]}`, `false`, `true`},
		{"Decisions", `{"decisions":[` + undecided + `]}`, `,"detail":"No."`, ``},
		{"Decisions", `{"decisions":[` + undecided + `]}`, `invalid_request`, `unavailable`},
		{"Decisions", `{"decisions":[` + unknown + `]}`, unknown, ``},
		{"Problem", invalid, `"field":"jobId",`, ``},
		{"Problem", conflict, `{"status"`, `{"field":"body","status"`},
		{"Problem", conflict, `{"status"`, `{"instance":"/","status"`},
		{"Problem", conflict, `"conflict"`, `"clash"`},
		{"InvalidRequest", invalid, `400`, `422`},
	} {
		schema := c.schema(t, test.schema)
		if err := checkAgainst(schema, test.good); err != nil {
			t.Errorf("%s refuses %s: %v", test.schema, test.good, err)
		}
		bad := strings.Replace(test.good, test.from, test.to, 1)
		if bad == test.good {
			t.Errorf("%s: %s is not in %s", test.schema, test.from, test.good)
		}
		if checkAgainst(schema, bad) == nil {
			t.Errorf("%s allows %s", test.schema, bad)
		}
	}
}
