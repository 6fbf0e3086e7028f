//! What knowing a large cluster costs: memory, and time for each change and each question.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use identity::pods::{ClusterChange, Labels, Pod, PodContainer, PodLimits, Pods, Source, Workload};

use crate::cli::Arguments;
use crate::figure::{Report, Target};
use crate::run;

/// As many as a cluster of some hundred nodes has.
const PODS: u32 = 10_000;
/// Those of our own node, which have containers.
const OWN: u32 = 100;
/// In MB.
const MOST: f64 = 20.0;
/// In nanoseconds: a change is rare beside rows, a question comes with each of them.
const CHANGE: f64 = 20_000.0;
const QUESTION: f64 = 1000.0;

pub(crate) fn run(arguments: &Arguments, report: &mut Report) -> Result<()> {
    let me = std::process::id();
    let before = run::resident(me)?;
    let pods = Pods::new(PodLimits::default());
    for number in 0..PODS {
        pods.apply(1, ClusterChange::Pod(Arc::new(pod(number, "a"))));
    }
    let held = run::resident(me)? - before;
    report.figure("held-10000", held / 1e6, "MB", Target::Below(MOST));
    report.note(format!("{} pods, {} addresses", pods.len(), pods.addresses()));

    let (mut changes, mut questions) = (Vec::new(), Vec::new());
    for round in 0..arguments.rounds() {
        // Made before the clock runs: making them is not what is asked.
        let version = format!("r{round}");
        let news: Vec<_> = (0..PODS).map(|number| Arc::new(pod(number, &version))).collect();
        let begun = Instant::now();
        for pod in news {
            pods.apply(2 + round as u64, ClusterChange::Pod(pod));
        }
        changes.push(begun.elapsed().as_nanos() as f64 / f64::from(PODS));
        let begun = Instant::now();
        for number in 0..PODS {
            black_box(pods.peer(address(number), u64::MAX - 1));
        }
        questions.push(begun.elapsed().as_nanos() as f64 / f64::from(PODS));
    }
    report.median("change", &changes, "ns", Target::Below(CHANGE));
    report.median("peer", &questions, "ns", Target::Below(QUESTION));
    Ok(())
}

/// A pod with what most have; `version` makes it news.
fn pod(number: u32, version: &str) -> Pod {
    let hash = format!("{:010x}", u64::from(number / 4) * 0x9e37_79b9);
    let container = || PodContainer {
        id: format!("{number:064x}").into(),
        name: "main".into(),
        image: "shop/web:1.2.3".into(),
    };
    Pod {
        uid: format!("00000000-0000-4000-8000-{number:012x}").into(),
        static_uid: None,
        namespace: format!("namespace-{}", number % 50).into(),
        name: format!("web-{hash}-{:05x}", number % 0xfffff).into(),
        node: Some(format!("node-{}", number / OWN).into()),
        labels: Labels::from_iter([
            ("app.kubernetes.io/name", "web"),
            ("app.kubernetes.io/version", version),
            ("pod-template-hash", hash.as_str()),
        ]),
        workload: Some(Workload {
            kind: "Deployment".into(),
            name: format!("web-{}", number / 4).into(),
        }),
        ips: [address(number)].into(),
        host_network: false,
        containers: if number < OWN { [container()].into() } else { [].into() },
        since: Some(1),
        source: Source::Api,
    }
}

fn address(number: u32) -> IpAddr {
    Ipv4Addr::from(0x0a00_0000 + number).into()
}
