package storetest

import "encoding/base64"

// maxItemBytes is how much an item may have: 400 KB.
const maxItemBytes = 400 << 10

// fits refuses an item that DynamoDB would not write: one that is too big, or no
// index could have.
func fits(it item) *refusal {
	if sizeOf(it) > maxItemBytes {
		return invalid("Item size has exceeded the maximum allowed size")
	}
	return indexable(it)
}

// sizeOf is how many bytes DynamoDB counts for an item: names and values.
func sizeOf(it item) (size int) {
	for name, v := range it {
		size += len(name) + sizeOfValue(v)
	}
	return size
}

func sizeOfValue(v value) int {
	const perMember, perCollection = 1, 3
	for kind, content := range v {
		switch content := content.(type) {
		case string:
			switch kind {
			case "N": // two digits a byte
				return len(content)/2 + 1
			case "B":
				return base64.StdEncoding.DecodedLen(len(content))
			}
			return len(content)
		case []any:
			size := perCollection
			for _, member := range content {
				inner, _ := member.(map[string]any)
				size += perMember + sizeOfValue(inner)
			}
			return size
		case map[string]any:
			size := perCollection
			for name, member := range content {
				inner, _ := member.(map[string]any)
				size += len(name) + perMember + sizeOfValue(inner)
			}
			return size
		}
	}
	return 1 // a flag
}
