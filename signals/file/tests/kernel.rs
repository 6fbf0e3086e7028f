//! temp
use kernel::*; use schema::*; 
#[test]
fn try_it() {
    let features = Features::probe();
    let k = Kernel::load(&[&scope::SCOPE, &signal_file::FILE], &features, &Options::default()).unwrap();
    for c in k.capabilities() { println!("{c:?}"); }
    for c in k.rejections() { println!("{} {}", c.program, c.log.lines().rev().take(12).collect::<Vec<_>>().join("\n")); }
    let cg = Cgroup::create().unwrap();
    scope::apply(&k, &[scope::Scope::Cgroup(cg.path().into())]).unwrap();
    let mut sink = Sink::default();
    let mut child = cg.spawn(std::process::Command::new("/bin/sh").args(["-c", "cd /tmp; rm -rf fx; mkdir fx; cd fx; echo hi > a; mv a b; ln b c; ln -s /etc/hostname l; cat l; chmod 600 b; chown 0:0 b; truncate -s 5 b; rm b; cat /nonexist ../fx/c; cd ..; rm -r fx; rmdir nope"])).unwrap();
    child.wait().unwrap();
    let mut ring = Ring::bulk(&k, 0).unwrap();
    let n = ring.drain(1000, |bytes| {
        let (h, r) = wire::Reader::new(bytes).unwrap();
        let origin = Origin { time: h.time as i64, process: ProcessKey { start: h.start, pid: h.tgid, boot: 1 }, tid: h.tid, cgroup: h.cgroup, comm: h.comm };
        (signal_file::FILE.decode)(&h, origin, r, &mut sink).unwrap();
    });
    println!("{n} records");
    for t in &sink.tables { for row in 0..t.len() { print!("{} {:?} ", t.table.name, t.origin[row].process.pid); for (f, c) in t.table.fields.iter().zip(&t.columns) { let v = c.value(row); match v { Value::Text(b) => print!("{}={} ", f.name, Text(b)), Value::Null => {}, v => print!("{}={:?} ", f.name, v) } } println!(); } }
    for p in k.programs() { println!("{} {} {:?}", p.name, p.verified, p.load_time); }
}
