# Makes a table of what `go test -bench -benchmem` prints.

/^pkg: / {
	package = $2
	sub(/^github\.com\/userapikey\/service\//, "", package)
	shown = 0
}

/^Benchmark/ {
	if (!shown++) printf "\n%-46s %12s %10s %12s\n", package, "time", "memory", "allocations"
	name = substr($1, 10)
	gsub(/_/, " ", name)
	sub(/\//, ", ", name)
	printf "  %-44s %9.2f µs %8d B %12d\n", name, $3 / 1000, $5, $7
}
