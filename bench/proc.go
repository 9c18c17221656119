package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/procfs"
)

// usage is what some processes have used so far. Where the system has no /proc,
// nothing is known, and nothing is reported.
type usage struct {
	cpu   map[int]time.Duration // user and system, by process
	known bool
}

// cpuOf reads what processes have used.
func cpuOf(pids []int) usage {
	u := usage{cpu: map[int]time.Duration{}}
	for _, pid := range pids {
		if t, err := cpuTime(pid); err == nil {
			u.cpu[pid], u.known = t, true
		}
	}
	return u
}

// since is what the processes of both have used between.
func (u usage) since(earlier usage) time.Duration {
	var sum time.Duration
	for pid, t := range u.cpu {
		sum += t - earlier.cpu[pid] // one that is new has used all of its time since
	}
	return sum
}

// cpuTime is a process's time on a CPU in nanoseconds: that of its threads
// (/proc/PID/task/TID/schedstat), since the process's own counts in hundredths of
// a second (/proc/PID/stat), which is what is left where there is no schedstat.
func cpuTime(pid int) (time.Duration, error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err == nil && len(tasks) > 0 {
		var sum time.Duration
		for _, task := range tasks {
			text, err := os.ReadFile(task)
			if err != nil {
				continue // the thread has ended
			}
			first, _, _ := strings.Cut(string(text), " ")
			ns, err := strconv.ParseInt(first, 10, 64)
			if err != nil {
				return 0, fmt.Errorf("%s: %w", task, err)
			}
			sum += time.Duration(ns)
		}
		return sum, nil
	}
	p, err := procfs.NewProc(pid)
	if err != nil {
		return 0, err
	}
	stat, err := p.Stat()
	if err != nil {
		return 0, err
	}
	return time.Duration(stat.CPUTime() * float64(time.Second)), nil
}

// family is a process and its children.
func family(pid int) []int {
	list := []int{pid}
	all, err := procfs.AllProcs()
	if err != nil {
		return list
	}
	for _, p := range all {
		if stat, err := p.Stat(); err == nil && stat.PPID == pid {
			list = append(list, p.PID)
		}
	}
	return list
}

// resetPeak has the system measure a process's peak of memory anew (proc(5),
// /proc/PID/clear_refs: 5).
func resetPeak(pid int) { _ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0) }

// peak is the most memory that a process had since then, and resident what it has
// now; zero where that is not known.
func memory(pid int) (peak, resident int64) {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return 0, 0
	}
	status, err := p.NewStatus()
	if err != nil {
		return 0, 0
	}
	return int64(status.VmHWM), int64(status.VmRSS)
}
