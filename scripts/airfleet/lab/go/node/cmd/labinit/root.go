package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

func joinCgroups(dirs []string) error {
	for _, dir := range dirs {
		// "0" means the writing process itself, so the number's pid namespace does not matter
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte("0"), 0); err != nil {
			return err
		}
	}
	return nil
}

// enterRoot makes spec.Root the root of this mount namespace. The machine's files that are not bound are out of reach
// afterwards, also for pods with hostPath volumes.
func enterRoot(spec *nodeSpec) error {
	if err := syscall.Sethostname([]byte(spec.Hostname)); err != nil {
		return fmt.Errorf("sethostname: %w", err)
	}
	if err := mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := mount(spec.Root, spec.Root, "", syscall.MS_BIND, ""); err != nil { // pivot_root wants a mount
		return err
	}
	if err := fillRoot(spec); err != nil {
		return err
	}
	old := filepath.Join(spec.Root, ".old")
	if err := os.MkdirAll(old, 0o700); err != nil {
		return err
	}
	if err := syscall.PivotRoot(spec.Root, old); err != nil {
		return fmt.Errorf("pivot_root %s: %w", spec.Root, err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	if err := syscall.Unmount("/.old", syscall.MNT_DETACH); err != nil {
		return fmt.Errorf("umount /.old: %w", err)
	}
	if err := os.Remove("/.old"); err != nil {
		return err
	}
	// the kubelet's mounts have to reach the containers
	return mount("", "/", "", syscall.MS_REC|syscall.MS_SHARED, "")
}

func fillRoot(spec *nodeSpec) error {
	in := func(path string) string { return filepath.Join(spec.Root, path) }
	for path, target := range spec.Links {
		if err := os.MkdirAll(filepath.Dir(in(path)), 0o755); err != nil {
			return err
		}
		if err := os.Symlink(target, in(path)); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	for _, b := range spec.Binds {
		if err := bindInto(b, in(b.To)); err != nil {
			return err
		}
	}
	special := []struct{ source, path, kind, data string }{
		{"proc", "/proc", "proc", ""},
		{"sysfs", "/sys", "sysfs", ""}, // a new one shows this network namespace's interfaces
		{"tmpfs", "/run", "tmpfs", "mode=755"},
	}
	for _, s := range special {
		if err := os.MkdirAll(in(s.path), 0o755); err != nil {
			return err
		}
		if err := mount(s.source, in(s.path), s.kind, 0, s.data); err != nil {
			return err
		}
	}
	for _, tree := range []string{"/dev", "/sys/fs/cgroup"} {
		if err := os.MkdirAll(in(tree), 0o755); err != nil {
			return err
		}
		if err := mount(tree, in(tree), "", syscall.MS_BIND|syscall.MS_REC, ""); err != nil {
			return err
		}
	}
	for path, content := range spec.Files {
		if err := os.MkdirAll(filepath.Dir(in(path)), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(in(path), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func bindInto(b bind, target string) error {
	info, err := os.Stat(b.From)
	if err != nil {
		return err
	}
	if info.IsDir() {
		err = os.MkdirAll(target, 0o755)
	} else if err = os.MkdirAll(filepath.Dir(target), 0o755); err == nil {
		err = os.WriteFile(target, nil, 0o644)
	}
	if err != nil {
		return err
	}
	if err := mount(b.From, target, "", syscall.MS_BIND, ""); err != nil {
		return err
	}
	if !b.ReadOnly {
		return nil
	}
	return mount("", target, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, "")
}

// applySysctls sets what belongs to the node's network namespace, and covers machine-wide values with files of the
// wanted content: the kubelet checks them, and the machine's own must stay as they are.
func applySysctls(spec *nodeSpec) error {
	for name, value := range spec.Sysctls {
		if err := os.WriteFile(filepath.Join("/proc/sys", name), []byte(value), 0); err != nil {
			return err
		}
	}
	for name, value := range spec.Pretend {
		cover := filepath.Join("/run/pretend", strings.ReplaceAll(name, "/", "."))
		if err := os.MkdirAll(filepath.Dir(cover), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(cover, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
		if err := mount(cover, filepath.Join("/proc/sys", name), "", syscall.MS_BIND, ""); err != nil {
			return err
		}
	}
	return nil
}

func mount(source, target, kind string, flags uintptr, data string) error {
	if err := syscall.Mount(source, target, kind, flags, data); err != nil {
		return fmt.Errorf("mount %s%s on %s: %w", kind, source, target, err)
	}
	return nil
}
