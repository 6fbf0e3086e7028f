//! Who the other ends are: fills the columns that speak of a peer, by its address and the row's time.

use std::sync::Arc;

use identity::pods::{Peer, Pods};
use schema::{Cell, Column, Decoded, Kind, PeerPart, Value};

use crate::node::Node;

/// The column that holds the address.
const ADDRESS: &str = "peer_ip";

/// Fills in what is known of the peers of `rows`; the rest stays null.
pub fn name(rows: &mut Decoded, pods: &Pods, node: &Node) {
    let fields = rows.table.fields.iter().enumerate();
    let wanted: Vec<(usize, PeerPart)> = fields
        .filter_map(|(place, field)| match field.kind {
            Kind::Peer(part) => Some((place, part)),
            _ => None,
        })
        .collect();
    let Some(address) = rows.table.field(ADDRESS) else { return };
    if wanted.is_empty() || pods.addresses() == 0 {
        return;
    }
    let ask = |row: usize| match rows.columns[address].value(row) {
        Value::Ip(ip) => pods.peer(ip, node.boot_time(rows.origin[row].time)),
        _ => None,
    };
    let peers: Vec<Option<Arc<Peer>>> = (0..rows.len()).map(ask).collect();
    for (place, part) in wanted {
        let mut column = Column::new(Kind::Peer(part));
        for peer in &peers {
            peer.as_deref().and_then(|peer| text(peer, part)).push(&mut column);
        }
        rows.columns[place] = column;
    }
}

fn text(peer: &Peer, part: PeerPart) -> Option<&str> {
    let part = match part {
        PeerPart::Pod => &peer.pod,
        PeerPart::Namespace => &peer.namespace,
        PeerPart::Workload => &peer.workload,
        PeerPart::Service => &peer.service,
        PeerPart::Node => &peer.node,
    };
    part.as_deref()
}
