//! The calls of Flight SQL.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use arrow::ipc::writer::IpcWriteOptions;
use arrow::record_batch::RecordBatch;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use arrow_flight::sql::server::{FlightSqlService, PeekableFlightDataStream};
use arrow_flight::sql::{
    ActionBeginTransactionRequest, ActionBeginTransactionResult,
    ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest,
    ActionCreatePreparedStatementResult, CommandGetCatalogs, CommandGetDbSchemas,
    CommandGetSqlInfo, CommandGetTableTypes, CommandGetTables, CommandGetXdbcTypeInfo,
    CommandPreparedStatementQuery, CommandPreparedStatementUpdate, CommandStatementIngest,
    CommandStatementQuery, CommandStatementSubstraitPlan, CommandStatementUpdate,
    DoPutPreparedStatementResult, ProstMessageExt, SqlInfo, TicketStatementQuery,
};
use arrow_flight::{
    Action, FlightData, FlightDescriptor, FlightEndpoint, FlightInfo, HandshakeRequest,
    HandshakeResponse, IpcMessage, SchemaAsIpc, Ticket,
};
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use prost::Message;
use query::Ask;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status, Streaming};

use super::{announced, metadata};
use crate::access::{Who, token};
use crate::asked::{self, Asked};
use crate::desk::Desk;
use crate::refusal::Refusal;
use crate::sql::{COMPLETENESS, brief};

/// Answers the calls of Flight SQL.
pub(super) struct Service {
    desk: Arc<Desk>,
}

type Rows = Pin<Box<dyn Stream<Item = Result<FlightData, Status>> + Send>>;
type Handshakes = Pin<Box<dyn Stream<Item = Result<HandshakeResponse, Status>> + Send>>;

const READ_ONLY: &str = "Fathom's tables are written by the kernel alone: here they can be read";
const NO_PARAMETERS: &str =
    "statements take no parameters here: write the values into the statement";

impl Service {
    pub(super) fn new(desk: Arc<Desk>) -> Service {
        Service { desk }
    }

    /// What a client needs to fetch the rows of `sql`, for which `ticket` stands.
    async fn info<T>(
        &self,
        sql: &str,
        ticket: &impl ProstMessageExt,
        request: Request<T>,
    ) -> Result<Response<FlightInfo>, Status>
    where
        T: Into<FlightDescriptor>,
    {
        let schema = asked::columns(&self.desk, &who(&request)?, sql).await;
        let schema = announced::schema(schema.map_err(|refusal| refusal.to_grpc())?.as_ref());
        announce(&schema, ticket, request.into_inner().into())
    }

    /// Runs `sql` and sends its rows.
    async fn rows(&self, sql: String, who: Who) -> Result<Response<Rows>, Status> {
        let ask = Ask { sql, limit: None, time_out: None };
        let asked = asked::ask(&self.desk, &who, ask).await;
        let asked = asked.map_err(|refusal| refusal.to_grpc())?;
        let completeness = serde_json::to_string(asked.completeness()).unwrap_or_default();
        let brief = brief(asked.completeness());
        let (schema, meter) = (announced::schema(&asked.schema()), asked.meter());
        let columns = schema.clone();
        let batches = stream::unfold(asked, |mut asked: Asked| async move {
            let batch = asked.next().await?;
            let batch = match batch {
                Ok(batch) => Ok(batch),
                Err(problem) => Err(Refusal::Query(problem).to_grpc().into()),
            };
            Some((batch, asked))
        });
        let batches = batches.map(move |batch| {
            let batch: Result<RecordBatch, FlightError> = batch;
            Ok(announced::batch(&batch?, &columns)?)
        });
        let rows = FlightDataEncoderBuilder::new()
            .with_schema(schema)
            .with_metadata(Bytes::from(completeness))
            .build(Box::pin(batches))
            .map_err(status)
            .inspect_ok(move |data| {
                let bytes = data.data_header.len() + data.data_body.len();
                meter.fetch_add(bytes as u64, Ordering::Relaxed);
            });
        let mut response = Response::new(Box::pin(rows) as Rows);
        if let Some(value) = brief.and_then(|it| it.as_bytes().try_into().ok()) {
            response.metadata_mut().insert(COMPLETENESS, value);
        }
        Ok(response)
    }
}

#[tonic::async_trait]
impl FlightSqlService for Service {
    type FlightService = Service;

    /// Who came so far has shown who it is, with each call; a client that logs in once gets its
    /// password back as the token of the calls to come.
    async fn do_handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Handshakes>, Status> {
        let headers = request.metadata().clone().into_headers();
        let bearer = token(&headers).unwrap_or_else(|| "none".into());
        let answer = HandshakeResponse { protocol_version: 0, payload: bearer.clone().into() };
        let mut response = Response::new(Box::pin(stream::iter([Ok(answer)])) as Handshakes);
        if let Ok(value) = MetadataValue::try_from(format!("Bearer {bearer}")) {
            response.metadata_mut().insert("authorization", value);
        }
        Ok(response)
    }

    async fn get_flight_info_statement(
        &self,
        query: CommandStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let ticket = TicketStatementQuery { statement_handle: query.query.clone().into() };
        self.info(&query.query, &ticket, request).await
    }

    async fn get_flight_info_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let sql = statement(&query.prepared_statement_handle)?;
        let ticket = TicketStatementQuery { statement_handle: sql.clone().into() };
        self.info(&sql, &ticket, request).await
    }

    async fn get_flight_info_catalogs(
        &self,
        query: CommandGetCatalogs,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        announce(&query.into_builder().schema(), &query, request.into_inner())
    }

    async fn get_flight_info_schemas(
        &self,
        query: CommandGetDbSchemas,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        announce(&query.clone().into_builder().schema(), &query, request.into_inner())
    }

    async fn get_flight_info_tables(
        &self,
        query: CommandGetTables,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        announce(&query.clone().into_builder().schema(), &query, request.into_inner())
    }

    async fn get_flight_info_table_types(
        &self,
        query: CommandGetTableTypes,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        announce(&query.into_builder().schema(), &query, request.into_inner())
    }

    async fn get_flight_info_sql_info(
        &self,
        query: CommandGetSqlInfo,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let schema = query.clone().into_builder(metadata::sql_info()).schema();
        announce(&schema, &query, request.into_inner())
    }

    async fn get_flight_info_xdbc_type_info(
        &self,
        query: CommandGetXdbcTypeInfo,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let schema = query.into_builder(metadata::types()).schema();
        announce(&schema, &query, request.into_inner())
    }

    async fn get_flight_info_substrait_plan(
        &self,
        _query: CommandStatementSubstraitPlan,
        _request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        Err(Status::unimplemented("Substrait plans are not understood here: send SQL"))
    }

    async fn do_get_statement(
        &self,
        ticket: TicketStatementQuery,
        request: Request<Ticket>,
    ) -> Result<Response<Rows>, Status> {
        self.rows(statement(&ticket.statement_handle)?, who(&request)?).await
    }

    async fn do_get_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<Ticket>,
    ) -> Result<Response<Rows>, Status> {
        self.rows(statement(&query.prepared_statement_handle)?, who(&request)?).await
    }

    async fn do_get_catalogs(
        &self,
        query: CommandGetCatalogs,
        _request: Request<Ticket>,
    ) -> Result<Response<Rows>, Status> {
        send(metadata::catalogs(query))
    }

    async fn do_get_schemas(
        &self,
        query: CommandGetDbSchemas,
        _request: Request<Ticket>,
    ) -> Result<Response<Rows>, Status> {
        send(metadata::schemas(query))
    }

    async fn do_get_tables(
        &self,
        query: CommandGetTables,
        _request: Request<Ticket>,
    ) -> Result<Response<Rows>, Status> {
        let engine = self.desk.engine().map_err(|refusal| refusal.to_grpc())?;
        send(metadata::tables(query, &engine.catalogue()))
    }

    async fn do_get_table_types(
        &self,
        query: CommandGetTableTypes,
        _request: Request<Ticket>,
    ) -> Result<Response<Rows>, Status> {
        send(metadata::table_types(query))
    }

    async fn do_get_sql_info(
        &self,
        query: CommandGetSqlInfo,
        _request: Request<Ticket>,
    ) -> Result<Response<Rows>, Status> {
        send(query.into_builder(metadata::sql_info()).build())
    }

    async fn do_get_xdbc_type_info(
        &self,
        query: CommandGetXdbcTypeInfo,
        _request: Request<Ticket>,
    ) -> Result<Response<Rows>, Status> {
        send(query.into_builder(metadata::types()).build())
    }

    async fn do_put_statement_update(
        &self,
        _command: CommandStatementUpdate,
        _request: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        Err(Status::permission_denied(READ_ONLY))
    }

    async fn do_put_statement_ingest(
        &self,
        _command: CommandStatementIngest,
        _request: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        Err(Status::permission_denied(READ_ONLY))
    }

    async fn do_put_prepared_statement_update(
        &self,
        _command: CommandPreparedStatementUpdate,
        _request: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        Err(Status::permission_denied(READ_ONLY))
    }

    async fn do_put_substrait_plan(
        &self,
        _command: CommandStatementSubstraitPlan,
        _request: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        Err(Status::permission_denied(READ_ONLY))
    }

    /// Binds parameters, of which there are none: one empty set of them is no error.
    async fn do_put_prepared_statement_query(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<DoPutPreparedStatementResult, Status> {
        let mut data = request.into_inner();
        while let Some(data) = data.next().await {
            if !data?.data_body.is_empty() {
                return Err(Status::invalid_argument(NO_PARAMETERS));
            }
        }
        let handle = Some(query.prepared_statement_handle);
        Ok(DoPutPreparedStatementResult { prepared_statement_handle: handle })
    }

    async fn do_action_create_prepared_statement(
        &self,
        query: ActionCreatePreparedStatementRequest,
        request: Request<Action>,
    ) -> Result<ActionCreatePreparedStatementResult, Status> {
        let schema = asked::columns(&self.desk, &who(&request)?, &query.query).await;
        let schema = announced::schema(schema.map_err(|refusal| refusal.to_grpc())?.as_ref());
        Ok(ActionCreatePreparedStatementResult {
            prepared_statement_handle: query.query.into(),
            dataset_schema: encoded(&schema)?,
            parameter_schema: encoded(&Schema::empty())?,
        })
    }

    /// Nothing was kept, so nothing is to be forgotten.
    async fn do_action_close_prepared_statement(
        &self,
        _query: ActionClosePreparedStatementRequest,
        _request: Request<Action>,
    ) -> Result<(), Status> {
        Ok(())
    }

    async fn do_action_begin_transaction(
        &self,
        _query: ActionBeginTransactionRequest,
        _request: Request<Action>,
    ) -> Result<ActionBeginTransactionResult, Status> {
        Err(Status::unimplemented("there are no transactions here, since nothing can be written"))
    }

    async fn register_sql_info(&self, _id: i32, _result: &SqlInfo) {}
}

/// Who asks; the door has found it out before the call came here.
fn who<T>(request: &Request<T>) -> Result<Who, Status> {
    let who = request.extensions().get().cloned();
    who.ok_or_else(|| Status::internal("a call came past the entrance"))
}

/// A handle or ticket is the statement.
fn statement(handle: &Bytes) -> Result<String, Status> {
    let bytes = handle.to_vec();
    String::from_utf8(bytes).map_err(|_| Status::invalid_argument("that is no ticket of this door"))
}

fn announce(
    schema: &Schema,
    ticket: &impl ProstMessageExt,
    descriptor: FlightDescriptor,
) -> Result<Response<FlightInfo>, Status> {
    let ticket = Ticket { ticket: ticket.as_any().encode_to_vec().into() };
    let info = FlightInfo::new()
        .try_with_schema(schema)
        .map_err(|error| status(error.into()))?
        .with_endpoint(FlightEndpoint::new().with_ticket(ticket))
        .with_descriptor(descriptor);
    Ok(Response::new(info))
}

fn send(batch: Result<RecordBatch, FlightError>) -> Result<Response<Rows>, Status> {
    let batch = batch.map_err(status)?;
    let rows = FlightDataEncoderBuilder::new()
        .with_schema(batch.schema())
        .build(stream::iter([Ok(batch)]))
        .map_err(status);
    Ok(Response::new(Box::pin(rows) as Rows))
}

fn encoded(schema: &Schema) -> Result<Bytes, Status> {
    let options = IpcWriteOptions::default();
    let message: Result<IpcMessage, ArrowError> = SchemaAsIpc::new(schema, &options).try_into();
    message.map(|message| message.0).map_err(|error| status(error.into()))
}

fn status(error: FlightError) -> Status {
    match error {
        FlightError::Tonic(status) => *status,
        other => Status::internal(other.to_string()),
    }
}
