package session

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Stat is what /proc/PID/stat says of a process.
type Stat struct {
	Name   string // the command, at most 15 bytes
	State  byte   // 'Z' and 'X' are dead
	Parent int
	Start  uint64 // in clock ticks since boot
}

// ProcessOf names the process pid that runs now.
func ProcessOf(pid int) (Process, error) {
	st, err := StatOf(pid)
	if err != nil {
		return Process{}, err
	}
	return Process{PID: pid, Start: st.Start, Name: st.Name}, nil
}

// Alive reports whether this very process still runs. A zombie does not.
func (p Process) Alive() bool {
	st, err := StatOf(p.PID)
	return err == nil && p.PID > 0 && st.Start == p.Start && st.State != 'Z' && st.State != 'X'
}

// StatOf reads /proc/PID/stat.
func StatOf(pid int) (Stat, error) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return Stat{}, err
	}
	st, err := parseStat(data)
	if err != nil {
		return Stat{}, fmt.Errorf("/proc/%d/stat: %w", pid, err)
	}
	return st, nil
}

// parseStat reads proc_pid_stat(5). The command stands in parentheses and may hold
// anything, parentheses too: the last ')' ends it.
func parseStat(data []byte) (Stat, error) {
	open, end := bytes.IndexByte(data, '('), bytes.LastIndexByte(data, ')')
	if open < 0 || end < open {
		return Stat{}, errors.New("no command in parentheses")
	}
	fields := bytes.Fields(data[end+1:]) // from field 3, the state
	if len(fields) < 20 || len(fields[0]) != 1 {
		return Stat{}, fmt.Errorf("%d fields after the command, want at least 20", len(fields))
	}
	parent, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return Stat{}, fmt.Errorf("parent: %w", err)
	}
	start, err := strconv.ParseUint(string(fields[19]), 10, 64)
	if err != nil {
		return Stat{}, fmt.Errorf("start time: %w", err)
	}
	return Stat{Name: string(data[open+1 : end]), State: fields[0][0], Parent: parent, Start: start}, nil
}

// BootID names this boot of the machine: after another one no process of a record lives.
func BootID() (string, error) {
	data, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read the boot id: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}
