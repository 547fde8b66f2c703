package apikey

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"slices"
)

// ScheduleRef is what a job runner names a bound schedule by: it tells which
// owner's it is, so that no index is needed, but not who the owner is. Its text
// form is opaque to others:
//
//	cpds_ + base64url(CRC32 of what follows, locator, schedule id)
//
// A reference is no secret and grants nothing: what it names is still decided
// by the owner's ring and by who asks.
type ScheduleRef struct {
	Locator Locator
	ID      string
}

const scheduleRefPrefix = "cpds_"

// The reference of the longest id is this long.
const maxScheduleRefLength = len(scheduleRefPrefix) + (crc32.Size+len(Locator{})+maxScheduleIDBytes)*4/3 + 1

var errScheduleRef = errors.New("not a reference to a schedule")

// String is the reference's text form.
func (r ScheduleRef) String() string {
	named := slices.Concat(r.Locator[:], []byte(r.ID))
	sum := binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(named))
	return scheduleRefPrefix + base64.RawURLEncoding.EncodeToString(append(sum, named...))
}

// ParseScheduleRef accepts exactly what [ScheduleRef.String] writes.
func ParseScheduleRef(text string) (ScheduleRef, error) {
	if len(text) > maxScheduleRefLength || len(text) < len(scheduleRefPrefix) {
		return ScheduleRef{}, errScheduleRef
	}
	decoded, err := base64.RawURLEncoding.DecodeString(text[len(scheduleRefPrefix):])
	if err != nil || len(decoded) <= crc32.Size+len(Locator{}) {
		return ScheduleRef{}, errScheduleRef
	}
	named := decoded[crc32.Size:]
	ref := ScheduleRef{Locator: Locator(named[:len(Locator{})]), ID: string(named[len(Locator{}):])}
	// Whatever else is wrong is caught by writing it again.
	if !IsScheduleID(ref.ID) || ref.String() != text {
		return ScheduleRef{}, errScheduleRef
	}
	return ref, nil
}

// RunRef is what a job runner names a recorded run by. Its text form is opaque,
// and of fixed width:
//
//	cpdr_ + base62(locator, name) + base62(CRC32)
//
// Like a ScheduleRef it is no secret and grants nothing.
type RunRef struct {
	Locator Locator
	Name    RunName
}

// RunName tells the runs of an owner apart.
type RunName [16]byte

const (
	runRefPrefix = "cpdr_"
	runRefStart  = len(runRefPrefix)
	runRefEnd    = runRefStart + block62Width
)

var errRunRef = errors.New("not a reference to a run")

// NewRunRef is the reference of an owner's run: of the same job and run it is
// always the same. The name is the first 16 bytes of SHA-256 over both ids, each
// preceded by its length (8 bytes, big endian).
func NewRunRef(locator Locator, jobID, runID string) RunRef {
	return RunRef{Locator: locator, Name: RunName(hashOf(jobID, runID))}
}

// String is the reference's text form.
func (r RunRef) String() string {
	var named [32]byte
	copy(named[:], r.Locator[:])
	copy(named[len(r.Locator):], r.Name[:])
	var block [block62Width]byte
	encodeBlock62(&block, named)
	text := runRefPrefix + string(block[:])
	return text + checksum(text)
}

// ParseRunRef accepts exactly what [RunRef.String] writes.
func ParseRunRef(text string) (RunRef, error) {
	if len(text) != runRefEnd+checksumWidth || text[:runRefStart] != runRefPrefix || text[runRefEnd:] != checksum(text[:runRefEnd]) {
		return RunRef{}, errRunRef
	}
	named, ok := decodeBlock62(text[runRefStart:runRefEnd])
	if !ok {
		return RunRef{}, errRunRef
	}
	return RunRef{Locator: Locator(named[:len(Locator{})]), Name: RunName(named[len(Locator{}):])}, nil
}

// String is the name in 32 lower-case hexadecimal digits.
func (n RunName) String() string { return hex.EncodeToString(n[:]) }
