use kernel::*; use schema::*; 
#[test]
fn try_it() {
    let features = Features::probe();
    println!("{features:#?}");
    let k = Kernel::load(&[&scope::SCOPE, &signal_process::PROCESS], &features, &Options::default()).unwrap();
    for c in k.capabilities() { println!("{c:?}"); }
    for c in k.rejections() { println!("{}", c.log); }
    let cg = Cgroup::create().unwrap();
    scope::apply(&k, &[scope::Scope::Cgroup(cg.path().into())]).unwrap();
    let mut sink = Sink::default();
    let mut child = cg.spawn(std::process::Command::new("sh").args(["-c", "/bin/true; /nonexistent; (exit 3); exit 7"])).unwrap();
    child.wait().unwrap();
    let mut ring = Ring::facts(&k, 0).unwrap();
    let n = ring.drain(1000, |bytes| {
        let (h, r) = wire::Reader::new(bytes).unwrap();
        let origin = Origin { time: h.time as i64, process: ProcessKey { start: h.start, pid: h.tgid, boot: 1 }, tid: h.tid, cgroup: h.cgroup, comm: h.comm };
        (signal_process::PROCESS.decode)(&h, origin, r, &mut sink).unwrap();
    });
    println!("{n} records");
    for t in &sink.tables { for row in 0..t.len() { print!("{} {:?} ", t.table.name, t.origin[row].process.pid); for (f, c) in t.table.fields.iter().zip(&t.columns) { let v = c.value(row); match v { Value::Text(b) => print!("{}={} ", f.name, Text(b)), Value::Null => {}, v => print!("{}={:?} ", f.name, v) } } println!(); } }
    let seen = k.read_iterators("process").unwrap();
    println!("seen {} bytes", seen.len());
    for p in k.programs() { println!("{p:?}"); }
    for p in k.maps() { println!("{p:?}"); }
}
