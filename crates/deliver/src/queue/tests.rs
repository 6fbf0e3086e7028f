use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::*;
use crate::notice::tests::sample;

fn numbered(number: u64) -> Arc<Notice> {
    Arc::new(Notice { time: number, ..sample() })
}

fn open(folder: &Path, most: u64) -> (Queue, Found) {
    Queue::open(folder, most, 3).unwrap()
}

/// Takes out everything, some at a time.
fn drain(queue: &mut Queue) -> Vec<u64> {
    let mut times = Vec::new();
    loop {
        let (notices, damaged) = queue.peek(3);
        assert_eq!(damaged, 0);
        if notices.is_empty() {
            return times;
        }
        times.extend(notices.iter().map(|it| it.time));
        queue.pop(notices.len());
    }
}

fn segments(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|it| it == "q")).collect();
    paths.sort();
    paths
}

#[test]
fn what_goes_in_comes_out_in_order_and_segments_go_away() {
    let dir = tempfile::tempdir().unwrap();
    let (mut queue, found) = open(dir.path(), 1 << 20);
    assert_eq!(found, Found::default());
    for number in 0..1000 {
        queue.push(numbered(number)).unwrap();
    }
    assert_eq!(queue.len(), 1000);
    assert!(segments(dir.path()).len() > 2);
    assert_eq!(drain(&mut queue), (0..1000).collect::<Vec<_>>());
    assert_eq!(queue.len(), 0);
    assert!(segments(dir.path()).len() <= 1);
    queue.push(numbered(7)).unwrap();
    assert_eq!(drain(&mut queue), [7]);
}

#[test]
fn another_agent_goes_on_where_the_first_stopped() {
    let dir = tempfile::tempdir().unwrap();
    for (start, most) in [(0, 5), (5, 90), (95, 300)] {
        let (mut queue, found) = open(dir.path(), 1 << 20);
        let before = if start == 0 { 0 } else { 400 - start };
        assert_eq!((found.waiting, found.torn), (before, 0));
        if start == 0 {
            (0..400).for_each(|number| queue.push(numbered(number)).unwrap());
        }
        for number in start..start + most {
            let (notices, _) = queue.peek(2);
            assert_eq!(notices[0].time, number);
            queue.pop(1);
        }
    }
    let (mut queue, found) = open(dir.path(), 1 << 20);
    assert_eq!(found.waiting, 5);
    queue.push(numbered(400)).unwrap();
    assert_eq!(drain(&mut queue), [395, 396, 397, 398, 399, 400]);
}

#[test]
fn two_agents_do_not_share_a_queue() {
    let dir = tempfile::tempdir().unwrap();
    let (queue, _) = open(dir.path(), 1 << 20);
    let error = Queue::open(dir.path(), 1 << 20, 3).unwrap_err();
    assert_eq!(error.to_string(), "another agent has this queue");
    drop(queue);
    open(dir.path(), 1 << 20);
}

#[test]
fn a_full_queue_refuses_the_newest_and_takes_again_later() {
    let dir = tempfile::tempdir().unwrap();
    let (mut queue, _) = open(dir.path(), 32 << 10);
    let taken = (0..200).take_while(|&number| queue.push(numbered(number)).is_ok()).count() as u64;
    assert!((20..150).contains(&taken), "{taken}");
    assert_eq!(queue.push(numbered(999)), Err(Refusal::Full));
    let bytes: u64 = segments(dir.path()).iter().map(|it| fs::metadata(it).unwrap().len()).sum();
    assert!(bytes <= 32 << 10);
    assert_eq!(drain(&mut queue), (0..taken).collect::<Vec<_>>());
    queue.push(numbered(1000)).unwrap();
    assert_eq!(drain(&mut queue), [1000]);
}

#[test]
fn a_torn_end_costs_one_notice_and_no_more() {
    let whole = frame::of(&numbered(0).to_bytes()).len() as u64;
    for (cut, torn) in [(0, 0), (1, 1), (whole - 9, 1), (whole - 3, 1), (whole, 0)] {
        let dir = tempfile::tempdir().unwrap();
        let (mut queue, _) = open(dir.path(), 1 << 20);
        (0..3).for_each(|number| queue.push(numbered(number)).unwrap());
        drop(queue);
        let path = &segments(dir.path())[0];
        let file = File::options().write(true).open(path).unwrap();
        file.set_len(whole * 3 - cut).unwrap();
        let (mut queue, found) = open(dir.path(), 1 << 20);
        assert_eq!((found.waiting, found.torn), (3 - u64::from(cut > 0), torn), "{cut}");
        queue.push(numbered(3)).unwrap();
        let expected = if cut > 0 { vec![0, 1, 3] } else { vec![0, 1, 2, 3] };
        assert_eq!(drain(&mut queue), expected, "{cut}");
    }
}

#[test]
fn zeros_that_a_crash_left_are_no_notices() {
    let dir = tempfile::tempdir().unwrap();
    let (mut queue, _) = open(dir.path(), 1 << 20);
    queue.push(numbered(0)).unwrap();
    drop(queue);
    let mut file = File::options().append(true).open(&segments(dir.path())[0]).unwrap();
    file.write_all(&[0; 4096]).unwrap();
    let (mut queue, found) = open(dir.path(), 1 << 20);
    assert_eq!(found, Found { waiting: 1, torn: 1 });
    assert_eq!(drain(&mut queue), [0]);
}

#[test]
fn a_cursor_that_cannot_be_read_sends_again() {
    let dir = tempfile::tempdir().unwrap();
    let (mut queue, _) = open(dir.path(), 1 << 20);
    (0..3).for_each(|number| queue.push(numbered(number)).unwrap());
    queue.peek(2);
    queue.pop(2);
    drop(queue);
    fs::write(dir.path().join("cursor"), [7; 20]).unwrap();
    let (mut queue, found) = open(dir.path(), 1 << 20);
    assert_eq!(found.waiting, 3);
    assert_eq!(drain(&mut queue), [0, 1, 2]);
}

#[test]
fn damage_behind_our_back_is_counted_and_the_next_segment_comes() {
    let dir = tempfile::tempdir().unwrap();
    let (mut queue, _) = open(dir.path(), 64 << 10);
    (0..60).for_each(|number| queue.push(numbered(number)).unwrap());
    let first = &segments(dir.path())[0];
    let file = File::options().write(true).open(first).unwrap();
    // It is a notice still, but not the one that was written.
    let bytes = fs::read(first).unwrap();
    let at = bytes.windows(6).position(|it| it == b"node-1").unwrap();
    file.write_all_at(b"node-7", at as u64).unwrap();
    let (notices, damaged) = queue.peek(1);
    assert!(damaged > 0);
    assert_eq!(notices[0].time, damaged);
    assert_eq!(drain(&mut queue), (damaged..60).collect::<Vec<_>>());
}

#[test]
fn what_the_disk_does_not_take_waits_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("queue");
    let (mut queue, _) = open(&folder, 64 << 10);
    queue.push(numbered(0)).unwrap();
    // The folder goes away under it: no new segment can be made.
    queue.writing = None;
    let away = dir.path().join("away");
    fs::rename(&folder, &away).unwrap();
    (1..4).for_each(|number| queue.push(numbered(number)).unwrap());
    assert!(queue.trouble().unwrap().contains("queue: No such file"), "{:?}", queue.trouble());
    assert_eq!(queue.push(numbered(4)), Err(Refusal::Disk));
    assert_eq!(queue.len(), 4);
    // While some of them are on their way, nothing is moved under them.
    fs::rename(&away, &folder).unwrap();
    let (notices, _) = queue.peek(1);
    assert_eq!(notices[0].time, 0);
    queue.pop(1);
    assert_eq!(queue.peek(2).0.len(), 2);
    assert_eq!(queue.push(numbered(5)), Err(Refusal::Disk));
    queue.pop(1);
    queue.push(numbered(6)).unwrap();
    assert_eq!(queue.trouble(), None);
    assert_eq!(drain(&mut queue), [2, 3, 6]);
}
