// chain SECONDS [bare]: as chain.c, in Go. bare: the innermost function has no frame, and so no
// frame pointer tells who called it.
package main

import (
	"os"
	"strconv"
	"syscall"
)

const depth = 20

//go:noinline
func leaf(x uint64) uint64 {
	var kept [8]uint64
	for i := 0; i < 20000; i++ {
		x = (x^(x>>17))*6364136223846793005 + 1
		kept[x&7] = x
	}
	return x + kept[1]
}

//go:noinline
func bare_leaf(x uint64) uint64 {
	for i := 0; i < 20000; i++ {
		x = (x^(x>>17))*6364136223846793005 + 1
	}
	return x
}

var work = leaf

//go:noinline
func hot_a(x uint64) uint64 {
	for i := 0; i < 7; i++ {
		x = work(x)
	}
	return x
}

//go:noinline
func hot_b(x uint64) uint64 {
	for i := 0; i < 2; i++ {
		x = work(x)
	}
	return x
}

//go:noinline
func hot_c(x uint64) uint64 {
	return work(x) + 1
}

//go:noinline
func dispatch(which int, x uint64) uint64 {
	switch which {
	case 0:
		x = hot_a(x)
	case 1:
		x = hot_b(x)
	default:
		x = hot_c(x)
	}
	return x + 1
}

//go:noinline
func rec(left, which int, x uint64) uint64 {
	if left > 1 {
		return rec(left-1, which, x) + 1
	}
	return dispatch(which, x) + 1
}

func cpuSeconds() float64 {
	var used syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &used) != nil {
		os.Exit(1)
	}
	return float64(used.Utime.Nano()+used.Stime.Nano()) / 1e9
}

var result uint64

func main() {
	seconds, err := strconv.ParseFloat(os.Args[1], 64)
	if err != nil {
		os.Exit(2)
	}
	if len(os.Args) > 2 {
		work = bare_leaf
	}
	x := uint64(1)
	for cpuSeconds() < seconds {
		for which := 0; which < 3; which++ {
			x = rec(depth, which, x)
		}
	}
	result = x
}
