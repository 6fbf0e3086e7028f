//! Views: the joins that everybody needs.

use schema::{COMMON, Table};

/// A view.
pub(crate) struct View<'a> {
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
    /// The tables it reads: without one of them it is not there.
    pub(crate) tables: &'static [&'static str],
    pub(crate) sql: &'a str,
}

/// The table over all protocols: its rows are not stored, since each stands in its protocol's table.
pub(crate) const OVER_ALL: &str = "request";

/// The rows of `table`, from all `tables` that have its columns: those are named for their protocol,
/// as `http_request`. None where there is no such table.
pub(crate) fn over_all(table: &Table, tables: &[&'static Table]) -> Option<String> {
    const PROTOCOL: &str = "protocol";
    let columns = || table.fields.iter().map(|field| field.name);
    let select = |of: &&'static Table| {
        let protocol = of.name.strip_suffix("_request")?;
        columns().all(|name| name == PROTOCOL || of.field(name).is_some()).then_some(())?;
        let own = columns().map(|name| match name {
            PROTOCOL => format!("'{protocol}' AS {PROTOCOL}"),
            name => name.to_string(),
        });
        let all: Vec<String> = COMMON.iter().map(|it| it.name.to_string()).chain(own).collect();
        Some(format!("SELECT {} FROM {}", all.join(", "), of.name))
    };
    let selects: Vec<String> = tables.iter().filter_map(select).collect();
    (!selects.is_empty()).then(|| selects.join("\nUNION ALL\n"))
}

pub(crate) const VIEWS: &[View<'static>] = &[
    View {
        name: "process_tree",
        doc: "A fork or a successful exec, with what the parent is called and how many \
              generations are known above it (at most 64).",
        tables: &["process_fork", "process_exec"],
        sql: PROCESS_TREE,
    },
    View {
        name: "connection",
        doc: "A connection or an exchange of datagrams as one of its ends saw it: ended ones at \
              their end with their sums, open ones at their beginning. Where the other end was \
              seen by this node too, its process stands beside it.",
        tables: &["socket_connect", "socket_accept", "socket_datagram", "socket_close"],
        sql: CONNECTION,
    },
];

/// A process's first parent is its own: later it may be handed to a reaper. A parent starts before
/// its children, so the generations end; the bound is for rows that say otherwise.
const PROCESS_TREE: &str = "
WITH RECURSIVE birth AS (
  SELECT time, 'fork' AS event, node, process, pid, comm, exe, container, image, pod, namespace,
         workload, parent, parent_pid, NULL AS args
  FROM process_fork
  UNION ALL
  SELECT time, 'exec' AS event, node, process, pid, comm, exe, container, image, pod, namespace,
         workload, parent, parent_pid, args
  FROM process_exec WHERE error IS NULL
), one AS (
  SELECT process,
         first_value(parent ORDER BY time) AS parent,
         last_value(comm ORDER BY time) AS comm,
         last_value(exe ORDER BY time) AS exe
  FROM birth GROUP BY process
), generation AS (
  SELECT child.process, 0 AS depth
  FROM one child LEFT ANTI JOIN one above ON child.parent = above.process
  UNION ALL
  SELECT child.process, generation.depth + 1 AS depth
  FROM generation JOIN one child ON child.parent = generation.process
  WHERE generation.depth < 64
)
SELECT birth.time, birth.event, birth.node, birth.process, birth.pid, birth.comm, birth.exe,
       birth.args, birth.container, birth.image, birth.pod, birth.namespace, birth.workload,
       birth.parent, birth.parent_pid, above.comm AS parent_comm, above.exe AS parent_exe,
       generation.depth
FROM birth
LEFT JOIN one above ON above.process = birth.parent
LEFT JOIN generation ON generation.process = birth.process
";

const CONNECTION: &str = "
WITH begun AS (
  SELECT time, node, process, pid, comm, exe, container, pod, namespace, workload, socket,
         'client' AS role, family, protocol, local_ip, local_port, peer_ip, peer_port, peer_pod,
         peer_namespace, peer_workload, peer_service, peer_node, path
  FROM socket_connect WHERE protocol <> 'udp' AND (error IS NULL OR error = 'EINPROGRESS')
  UNION ALL
  SELECT time, node, process, pid, comm, exe, container, pod, namespace, workload, socket,
         'server' AS role, family, protocol, local_ip, local_port, peer_ip, peer_port, peer_pod,
         peer_namespace, peer_workload, peer_service, peer_node, path
  FROM socket_accept WHERE error IS NULL
), ends AS (
  SELECT time, arrow_cast(arrow_cast(time, 'Int64') - duration, 'Timestamp(ns, \"UTC\")') AS began,
         time AS ended, node, process, pid, comm, exe, container, pod, namespace, workload, socket,
         role, family, protocol, local_ip, local_port, peer_ip, peer_port, peer_pod,
         peer_namespace, peer_workload, peer_service, peer_node, path, duration, bytes_sent,
         bytes_received, rtt, retransmits, closed_by, error
  FROM socket_close WHERE role IN ('client', 'server')
  UNION ALL
  SELECT time, time AS began, NULL AS ended, node, process, pid, comm, exe, container, pod,
         namespace, workload, socket, role, family, protocol, local_ip, local_port, peer_ip,
         peer_port, peer_pod, peer_namespace, peer_workload, peer_service, peer_node, path,
         NULL AS duration, NULL AS bytes_sent, NULL AS bytes_received, NULL AS rtt,
         NULL AS retransmits, NULL AS closed_by, NULL AS error
  FROM begun LEFT ANTI JOIN socket_close gone
    ON gone.socket = begun.socket AND gone.process = begun.process
  UNION ALL
  SELECT time, time AS began, NULL AS ended, node, process, pid, comm, exe, container, pod,
         namespace, workload, socket,
         CASE direction WHEN 'out' THEN 'client' ELSE 'server' END AS role, family, protocol,
         local_ip, local_port, peer_ip, peer_port, peer_pod, peer_namespace, peer_workload,
         peer_service, peer_node, NULL AS path, NULL AS duration, NULL AS bytes_sent,
         NULL AS bytes_received, NULL AS rtt, NULL AS retransmits, NULL AS closed_by, NULL AS error
  FROM socket_datagram datagram LEFT ANTI JOIN socket_close gone
    ON gone.socket = datagram.socket AND gone.process = datagram.process
       AND gone.peer_ip = datagram.peer_ip AND gone.peer_port = datagram.peer_port
)
SELECT here.*, there.process AS peer_process, there.pid AS peer_pid, there.comm AS peer_comm,
       there.exe AS peer_exe
FROM ends here
LEFT JOIN ends there
  ON there.node = here.node AND there.protocol = here.protocol
     AND there.local_ip = here.peer_ip AND there.local_port = here.peer_port
     AND there.peer_ip = here.local_ip AND there.peer_port = here.local_port
     AND there.role <> here.role
     AND there.began <= coalesce(here.ended, there.began) + INTERVAL '1 second'
     AND here.began <= coalesce(there.ended, here.began) + INTERVAL '1 second'
";
