package apikey

import (
	"encoding/binary"
	"math/bits"
)

const base62Digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// base62Value maps a byte to its digit's value; 0xff is no digit.
var base62Value = func() (table [256]byte) {
	for i := range table {
		table[i] = 0xff
	}
	for i := range len(base62Digits) {
		table[base62Digits[i]] = byte(i)
	}
	return table
}()

func isBase62(c byte) bool { return base62Value[c] != 0xff }

// block62Width is the width of 32 bytes in base62: 62^43 is just over 2^256.
const block62Width = 43

// encodeBlock62 writes 32 bytes, read as one big-endian number, into 43 digits.
func encodeBlock62(dst *[block62Width]byte, block [32]byte) {
	limbs := limbsOf(block)
	for i := block62Width - 1; i >= 0; i-- {
		var remainder uint64
		for l := range limbs {
			limbs[l], remainder = bits.Div64(remainder, limbs[l], 62)
		}
		dst[i] = base62Digits[remainder]
	}
}

// decodeBlock62 is the inverse of encodeBlock62 and accepts nothing else: it
// reports false for a byte that is no digit and for a number over 2^256-1.
func decodeBlock62(digits string) (block [32]byte, ok bool) {
	var limbs [4]uint64
	for i := range len(digits) {
		value := base62Value[digits[i]]
		if value == 0xff {
			return block, false
		}
		carry := uint64(value)
		for l := len(limbs) - 1; l >= 0; l-- {
			high, low := bits.Mul64(limbs[l], 62)
			var overflow uint64
			limbs[l], overflow = bits.Add64(low, carry, 0)
			carry = high + overflow
		}
		if carry != 0 {
			return block, false
		}
	}
	for l, limb := range limbs {
		binary.BigEndian.PutUint64(block[8*l:], limb)
	}
	return block, true
}

func limbsOf(block [32]byte) (limbs [4]uint64) {
	for l := range limbs {
		limbs[l] = binary.BigEndian.Uint64(block[8*l:])
	}
	return limbs
}
