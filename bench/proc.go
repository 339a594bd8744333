//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of /proc/PID/stat: USER_HZ is 100 on every Linux port Go has.
const clockTick = 10 * time.Millisecond

const mb = 1 << 20

// sample is what a process has used so far.
type sample struct {
	At       time.Time
	CPU      time.Duration // user and system, of all threads
	RSS, HWM int64         // bytes resident now, and at most so far
	Anon     int64         // of RSS, without the pages of the program itself
	Threads  int
}

func sampleOf(pid int) (sample, error) {
	s := sample{At: time.Now()}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return s, fmt.Errorf("process %d: %w", pid, err)
	}
	if s.CPU, err = parseStat(string(stat)); err != nil {
		return s, fmt.Errorf("process %d: %w", pid, err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return s, fmt.Errorf("process %d: %w", pid, err)
	}
	s.RSS, s.HWM = field(string(status), "VmRSS")<<10, field(string(status), "VmHWM")<<10
	s.Anon = field(string(status), "RssAnon") << 10
	s.Threads = int(field(string(status), "Threads"))
	return s, nil
}

// parseStat adds utime and stime. The command in brackets may hold anything.
func parseStat(text string) (time.Duration, error) {
	end := strings.LastIndexByte(text, ')')
	part := strings.Fields(text[end+1:])
	if end < 0 || len(part) < 13 {
		return 0, errors.New("stat: too few fields")
	}
	user, err1 := strconv.ParseInt(part[11], 10, 64)
	system, err2 := strconv.ParseInt(part[12], 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		return 0, fmt.Errorf("stat: %w", err)
	}
	return time.Duration(user+system) * clockTick, nil
}

// field reads the number of a line "Name:  123 kB"; 0 when absent.
func field(text, name string) int64 {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			if part := strings.Fields(rest); len(part) > 0 {
				n, _ := strconv.ParseInt(part[0], 10, 64)
				return n
			}
		}
	}
	return 0
}

// machine names what the figures were taken on.
func machine() string {
	cpu, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	model, cores := "unknown CPU", 0
	for line := range strings.Lines(string(cpu)) {
		name, value, _ := strings.Cut(line, ":")
		switch strings.TrimSpace(name) {
		case "processor":
			cores++
		case "model name":
			model = strings.TrimSpace(value)
		}
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return fmt.Sprintf("%d x %s, Linux %s", cores, model, strings.TrimSpace(string(kernel)))
}
