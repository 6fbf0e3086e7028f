//! The API server away for hours, in paused time: the runtime's clock goes on whenever nothing
//! is left to do.

use std::cell::RefCell;
use std::io::Error;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header::CONNECTION;
use axum::response::Response;
use futures::stream;
use identity::pods::ClusterChange;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::Config;
use crate::state::{Connection, Shared};
use crate::teller::Teller;

/// Serves lists of pods with these uids, and watches that say nothing.
async fn serve(address: SocketAddr, uids: &[&str]) -> JoinHandle<()> {
    let pod = |uid: &&str| json!({"metadata": {"uid": uid, "name": uid, "namespace": "shop"}});
    let pods: Vec<_> = uids.iter().map(pod).collect();
    let answer = move |request: Request| {
        let items = if request.uri().path() == "/api/v1/pods" { pods.clone() } else { Vec::new() };
        async move {
            let watch = request.uri().query().is_some_and(|query| query.contains("watch=true"));
            let list = json!({"metadata": {"resourceVersion": "1"}, "items": items});
            let body = match watch {
                true => Body::from_stream(stream::pending::<Result<Bytes, Error>>()),
                false => Body::from(list.to_string()),
            };
            // So that nobody is answered on an old connection once nobody listens.
            Response::builder().header(CONNECTION, "close").body(body).unwrap()
        }
    };
    let listener = TcpListener::bind(address).await.unwrap();
    let router = Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() })
}

#[tokio::test(start_paused = true)]
async fn hours_away_cost_little_and_the_return_tells_the_difference() {
    let free = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
    let config = Config { node: "node-1".into(), ..Config::default() };
    let url = format!("http://{free}").parse().unwrap();
    let mut target = kube::Config::new(url);
    target.default_retry = false;
    let client = kube::Client::try_from(target).unwrap();
    let state = Shared::default();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let all = heard.clone();
    let teller = Teller::new(Box::new(move |_, change| all.lock().unwrap().push(change)));
    let teller = RefCell::new(teller);

    let story = async {
        // Nobody is there for three hours.
        sleep(Duration::from_secs(3 * 3600)).await;
        let pods = state.snapshot().source("pods").unwrap().clone();
        // Waits of 15 to 30 seconds, and a few shorter ones before.
        assert!((360..=730).contains(&pods.errors), "{}", pods.errors);
        let Connection::Lost { since, .. } = pods.connection else { panic!("{pods:?}") };
        assert!(since > 0);
        assert!(heard.lock().unwrap().is_empty());

        let server = serve(free, &["stays", "goes"]).await;
        let begun = Instant::now();
        while !state.snapshot().synced() {
            sleep(Duration::from_millis(100)).await;
        }
        assert!(begun.elapsed() <= Duration::from_secs(31), "{:?}", begun.elapsed());
        assert_eq!(heard.lock().unwrap().len(), 2);
        let lists = state.snapshot().source("pods").unwrap().lists;

        // It goes for a night, and what it says then is another.
        server.abort();
        // Open connections stay open and say nothing, which shows after a while.
        while !matches!(state.snapshot().api(), Connection::Lost { .. }) {
            sleep(Duration::from_secs(1)).await;
        }
        sleep(Duration::from_secs(10 * 3600)).await;
        assert_eq!(heard.lock().unwrap().len(), 2);
        let _server = serve(free, &["stays", "comes"]).await;
        while state.snapshot().source("pods").unwrap().lists == lists {
            sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        () = super::run(&client, &config, &state, &teller) => unreachable!("it goes on for ever"),
        () = story => {}
    }
    let heard = heard.lock().unwrap();
    let said: Vec<String> = heard
        .iter()
        .map(|change| match change {
            ClusterChange::Pod(pod) => format!("+{}", pod.uid),
            ClusterChange::PodGone { uid, .. } => format!("-{uid}"),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(said, ["+stays", "+goes", "+comes", "-goes"]);
}
