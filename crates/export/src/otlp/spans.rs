//! Spans that are gathered until they are sent.

use std::collections::HashMap;
use std::sync::Arc;

use prost::Message;
use schema::{Batch, Process};

use crate::Options;
use crate::request::Tables;

use super::message::{Resource, ResourceSpans, ScopeSpans, Traces};
use super::{Sender, resource, span};

/// Gathers requests as spans: one resource for each process.
///
/// There is no bound but the owner's, who asks for [`Spans::size`]: collectors refuse what is too long, by default 20 MiB.
#[derive(Debug)]
pub struct Spans {
    sender: Sender,
    tables: Tables,
    /// The place of each resource's spans in `spans`.
    resources: HashMap<Resource, usize>,
    spans: Vec<Vec<Vec<u8>>>,
    gathered: usize,
    bytes: usize,
    /// One more for each span ever.
    sequence: u64,
}

impl Spans {
    /// No spans yet. Columns that `options` hide do not go out.
    pub fn new(sender: Sender, options: Options) -> Spans {
        Spans {
            sender,
            tables: Tables::new(options),
            resources: HashMap::new(),
            spans: Vec::new(),
            gathered: 0,
            bytes: 0,
            sequence: 0,
        }
    }

    /// Takes the rows of a table of requests, and says how many there were; rows of other tables are
    /// none.
    ///
    /// Tables of single protocols say more than `request`; a request is in both, so only one of the
    /// two is to be given.
    pub fn add(&mut self, batch: &Batch) -> usize {
        let Spans { sender, tables, resources, spans, .. } = self;
        let Some(columns) = tables.columns(batch.table) else { return 0 };
        // A process's attributes are put together once for each batch.
        let mut known: HashMap<*const Process, usize> = HashMap::new();
        for request in columns.rows(batch) {
            let place = *known.entry(Arc::as_ptr(request.process())).or_insert_with(|| {
                let resource = resource::of_process(&request, sender);
                let room = resource.encoded_len();
                *resources.entry(resource).or_insert_with(|| {
                    self.bytes += room;
                    spans.push(Vec::new());
                    spans.len() - 1
                })
            });
            let span = span::of(&request, self.sequence).encode_to_vec();
            self.sequence += 1;
            self.bytes += span.len();
            spans[place].push(span);
        }
        self.gathered += batch.len();
        batch.len()
    }

    /// How many spans wait.
    pub fn len(&self) -> usize {
        self.gathered
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.gathered == 0
    }

    /// How long they are together, in bytes; the request is hardly longer.
    pub fn size(&self) -> usize {
        self.bytes
    }

    /// The bytes of an `ExportTraceServiceRequest` with all that wait, after which none does.
    pub fn request(&mut self) -> Vec<u8> {
        let mut resources: Vec<_> = self.resources.drain().collect();
        resources.sort_by_key(|(_, place)| *place);
        let spans = std::mem::take(&mut self.spans);
        (self.gathered, self.bytes) = (0, 0);
        let resource_spans = resources.into_iter().zip(spans).map(|((resource, _), spans)| {
            let scope = Some(self.sender.scope());
            let scope_spans = vec![ScopeSpans { scope, spans }];
            ResourceSpans { resource: Some(resource), scope_spans }
        });
        Traces { resource_spans: resource_spans.collect() }.encode_to_vec()
    }
}
