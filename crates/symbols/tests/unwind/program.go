// A program whose calls are known, for the walks of Go's stacks.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
)

var sink uint64

//go:noinline
func leaf(n uint64) uint64 {
	for i := 0; i < 2000; i++ {
		n = n*6364136223846793005 + 1442695040888963407
	}
	return n
}

//go:noinline
func recursive(depth int, n uint64) uint64 {
	if depth > 0 {
		return leaf(recursive(depth-1, leaf(n)))
	}
	var room [9000]byte
	room[n%9000] = byte(n)
	return leaf(n) + uint64(room[(n*3)%9000])
}

func init() {
	runtime.LockOSThread()
}

func main() {
	fmt.Println("ready")
	bufio.NewReader(os.Stdin).ReadString('\n')
	for {
		sink += recursive(20, sink)
	}
}
