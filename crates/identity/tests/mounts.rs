//! `mountinfo` and `/proc/PID/cgroup` texts of real systems, and random ones.

use std::path::Path;

use identity::mounts::{Membership, Mounts};
use proptest::prelude::*;

const V2: &str = "\
24 30 0:22 / /proc rw,nosuid,nodev,noexec,relatime shared:14 - proc proc rw
35 24 0:30 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot
";

const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup ro,nosuid,nodev,noexec shared:9 - tmpfs tmpfs ro,mode=755
32 31 0:29 / /sys/fs/cgroup/unified rw,nosuid,nodev,noexec,relatime shared:10 - cgroup2 cgroup2 rw,nsdelegate
33 31 0:30 / /sys/fs/cgroup/systemd rw,nosuid,nodev,noexec,relatime shared:11 - cgroup cgroup rw,xattr,name=systemd
36 31 0:33 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid,nodev,noexec,relatime shared:15 - cgroup cgroup rw,cpu,cpuacct
37 31 0:34 / /sys/fs/cgroup/memory rw,nosuid,nodev,noexec,relatime shared:16 - cgroup cgroup rw,memory
";

fn unified(mountinfo: &str) -> Option<(String, String)> {
    let mount = Mounts::parse(mountinfo).unified?;
    Some((mount.point.to_string_lossy().into_owned(), mount.root))
}

fn at(point: &str, root: &str) -> Option<(String, String)> {
    Some((point.to_owned(), root.to_owned()))
}

#[test]
fn the_unified_hierarchy_is_found_wherever_it_is() {
    assert_eq!(unified(V2), at("/sys/fs/cgroup", "/"));
    assert_eq!(unified(HYBRID), at("/sys/fs/cgroup/unified", "/"));
    let legacy: String = HYBRID
        .lines()
        .filter(|line| !line.contains("cgroup2"))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(unified(&legacy), None);
    assert_eq!(Mounts::parse(&legacy).legacy.len(), 3);
    assert_eq!(unified(""), None);
}

#[test]
fn the_mount_that_shows_most_is_taken() {
    let own = "35 24 0:30 / /sys/fs/cgroup ro - cgroup2 cgroup ro\n";
    let host = "36 24 0:30 /../../.. /host/sys/fs/cgroup ro master:2 - cgroup2 cgroup2 ro\n";
    let part = "37 24 0:30 /system.slice/x /mnt/x ro - cgroup2 cgroup2 ro\n";
    for order in [[own, host, part], [part, own, host], [host, part, own]] {
        assert_eq!(unified(&order.concat()), at("/host/sys/fs/cgroup", "/../../.."));
    }
    assert_eq!(unified(&[part, own].concat()), at("/sys/fs/cgroup", "/"));
    assert_eq!(unified(part), at("/mnt/x", "/system.slice/x"));
}

#[test]
fn v1_hierarchies_are_found_by_controller() {
    let mounts = Mounts::parse(HYBRID);
    let point = |controller| mounts.legacy(controller).map(|mount| mount.point.as_path());
    assert_eq!(point("cpuacct"), Some(Path::new("/sys/fs/cgroup/cpu,cpuacct")));
    assert_eq!(point("name=systemd"), Some(Path::new("/sys/fs/cgroup/systemd")));
    assert_eq!(point("pids"), None);
    assert_eq!(mounts.legacy[0].controllers, ["name=systemd"]);
}

#[test]
fn escapes_are_undone() {
    let line = |point| format!("35 24 0:30 /a\\040b {point} rw - cgroup2 cgroup2 rw");
    let unescaped = |point| unified(&line(point)).map(|(point, _)| point);
    assert_eq!(unified(&line("/x")), at("/x", "/a b"));
    assert_eq!(
        unescaped("/mnt/my\\040cgroup\\134\\011\\012").as_deref(),
        Some("/mnt/my cgroup\\\t\n")
    );
    assert_eq!(unescaped("/odd\\04\\999\\777\\").as_deref(), Some("/odd\\04\\999\\777\\"));
}

#[test]
fn a_process_is_where_the_hierarchy_in_use_says() {
    let path = |text| Membership::parse(text).path();
    assert_eq!(path("0::/system.slice/cron.service\n"), Some("/system.slice/cron.service"));
    assert_eq!(path("0::/\n"), Some("/"));
    assert_eq!(path("0::/a (deleted)\n"), Some("/a"));
    assert_eq!(path("0::/../../x:y\n"), Some("/../../x:y"));
    let v1 = "12:pids:/p\n11:cpu,cpuacct:/c\n4:memory:/m\n1:name=systemd:/s\n";
    assert_eq!(path(v1), Some("/s"));
    assert_eq!(path("12:cpuset:/x\n4:pids,memory:/m\n"), Some("/m"));
    let hybrid = "9:name=systemd:/\n8:pids:/\n4:memory:/process_api/0c74\n1:cpu:/\n0::/\n";
    assert_eq!(path(hybrid), Some("/process_api/0c74"));
    assert_eq!(Membership::parse(hybrid).unified, Some("/"));
    for broken in ["", "\n\n", "0:", "0::", "x::/a", "::/a", "0::a"] {
        assert_eq!(path(broken), None, "{broken:?}");
    }
}

#[test]
fn a_process_of_a_container_is_told_by_any_hierarchy() {
    let id = "ab".repeat(32);
    let text = format!("4:memory:/docker/{id}\n1:name=systemd:/user.slice\n0::/\n");
    assert_eq!(Membership::parse(&text).container().map(|it| it.id), Some(id));
    assert_eq!(Membership::parse("0::/user.slice\n").container(), None);
}

proptest! {
    #[test]
    fn any_text_is_safe(text in "(\\PC|[ \n:\\\\/-]|cgroup2?| - |[0-9]){0,60}") {
        Mounts::parse(&text);
        let membership = Membership::parse(&text);
        membership.path();
        membership.container();
    }
}
