package drill

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/fastx-kit/fastx-kit/daemon/fileset"
)

// Pause waits for a time: of the clock, or of a bubble with its own.
type Pause func(time.Duration)

// Damage is one kind of damage to a file of which good is the last whole version.
type Damage struct {
	Kind string
	// Garbles: what it leaves may say something that nobody wrote. Then no one can tell what is meant, and a Floor
	// asks for less.
	Garbles bool
	// Do does it and returns how.
	Do func(p Place, rng *rand.Rand, pause Pause, good fileset.File) string
}

var damages = []Damage{
	{"truncation", false, truncate}, {"truncation", false, truncate}, {"bit flip", true, flip}, {"two writers", true, interleave},
	{"removal", false, remove}, {"mode", false, expose}, {"torn rename", false, tornRename}, {"slow writer", false, slow},
	{"lost body", false, hollow}, {"lost blocks", false, zeroTail},
}

// Choose returns a kind of damage.
func Choose(rng *rand.Rand) Damage { return damages[rng.IntN(len(damages))] }

// upTo returns a time below d.
func upTo(rng *rand.Rand, d time.Duration) time.Duration { return time.Duration(rng.Int64N(int64(d))) }

// Mend makes a file good again, as writers do: by a rename, or in place, in one go or in pieces.
func Mend(p Place, rng *rand.Rand, pause Pause, good fileset.File) {
	if rng.IntN(2) == 0 {
		p.Rename(good)
		return
	}
	p.Truncate(good.Name, 0)
	inPieces(p, rng, pause, good, 1+rng.IntN(4), 60*time.Millisecond)
	p.Chmod(good.Name, good.Mode)
}

// inPieces writes a file in place, with pauses in between.
func inPieces(p Place, rng *rand.Rand, pause Pause, f fileset.File, pieces int, longest time.Duration) {
	size := len(f.Data)/pieces + 1
	for at := 0; at < len(f.Data); at += size {
		p.Write(f.Name, at, f.Data[at:min(at+size, len(f.Data))])
		pause(upTo(rng, longest))
	}
}

func truncate(p Place, rng *rand.Rand, _ Pause, good fileset.File) string {
	size := rng.IntN(len(good.Data))
	p.Truncate(good.Name, size)
	return fmt.Sprintf("truncated to %d of %d bytes", size, len(good.Data))
}

func flip(p Place, rng *rand.Rand, _ Pause, good fileset.File) string {
	at, bit := rng.IntN(len(good.Data)), rng.IntN(8)
	p.Write(good.Name, at, []byte{good.Data[at] ^ 1<<bit})
	return fmt.Sprintf("bit %d of byte %d flipped", bit, at)
}

// interleave lets two writers in, each of whom truncates the file and writes a version of its own in pieces.
func interleave(p Place, rng *rand.Rand, pause Pause, good fileset.File) string {
	writers := [2]struct {
		f  fileset.File
		at int
	}{{f: good}, {f: Version(good, rng.IntN(1e9))}}
	p.Truncate(good.Name, 0)
	turns := 2 + rng.IntN(8)
	for range turns {
		w := &writers[rng.IntN(2)]
		if w.at == 0 {
			p.Truncate(good.Name, 0)
		}
		next := min(w.at+1+rng.IntN(len(w.f.Data)), len(w.f.Data))
		p.Write(good.Name, w.at, w.f.Data[w.at:next])
		w.at = next
		pause(upTo(rng, 150*time.Millisecond))
	}
	return fmt.Sprintf("%d turns of two writers", turns)
}

func remove(p Place, _ *rand.Rand, _ Pause, good fileset.File) string {
	p.Remove(good.Name)
	return "removed"
}

func expose(p Place, rng *rand.Rand, _ Pause, good fileset.File) string {
	mode := good.Mode | 1<<rng.IntN(9)
	p.Chmod(good.Name, mode)
	return fmt.Sprintf("mode %04o", mode)
}

// tornRename renames half a file into place, as a checkout on a full disk or a copy of a copy does.
func tornRename(p Place, rng *rand.Rand, _ Pause, good fileset.File) string {
	size := rng.IntN(len(good.Data))
	good.Data = good.Data[:size]
	p.Rename(good)
	return fmt.Sprintf("replaced by its first %d bytes", size)
}

// slow writes a whole new version, slower than anybody should.
func slow(p Place, rng *rand.Rand, pause Pause, good fileset.File) string {
	p.Truncate(good.Name, 0)
	pieces := 2 + rng.IntN(5)
	inPieces(p, rng, pause, Version(good, rng.IntN(1e9)), pieces, 800*time.Millisecond)
	return fmt.Sprintf("written in %d pieces", pieces)
}

// hollow leaves the comments of a file's head alone.
func hollow(p Place, _ *rand.Rand, _ Pause, good fileset.File) string {
	good.Data = []byte("# FastX cluster configuration\n")
	p.Rename(good)
	return "replaced by a comment"
}

// zeroTail leaves zeros where a power cut lost what had been written.
func zeroTail(p Place, rng *rand.Rand, _ Pause, good fileset.File) string {
	at := rng.IntN(len(good.Data))
	p.Write(good.Name, at, bytes.Repeat([]byte{0}, len(good.Data)-at))
	return fmt.Sprintf("zeros from byte %d on", at)
}
