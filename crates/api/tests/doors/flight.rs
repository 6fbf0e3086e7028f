//! Flight SQL, by the client of the Arrow project.

use std::sync::Arc;
use std::time::Duration;

use crate::support::rows::{engine, options};
use crate::support::{Fixed, wait_for};
use api::{Access, Door, Doorway, serve_flight};
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, Schema};
use arrow_flight::FlightInfo;
use arrow_flight::error::FlightError;
use arrow_flight::sql::client::FlightSqlServiceClient;
use arrow_flight::sql::{CommandGetDbSchemas, CommandGetTables, CommandGetXdbcTypeInfo, SqlInfo};
use futures::TryStreamExt;
use query::Options;
use tokio::runtime::{Builder, Runtime};
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

struct Flight {
    runtime: Runtime,
    source: Arc<Fixed>,
    _door: Door,
    client: FlightSqlServiceClient<Channel>,
}

fn opened(rows: usize, options: Options, access: Access) -> Flight {
    let source = Arc::new(Fixed { engine: Some(engine(rows, options)), ..Fixed::default() });
    let doorway = Doorway { access, ..Doorway::at("127.0.0.1:0".parse().unwrap()) };
    let door = serve_flight(doorway, source.clone()).unwrap();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let endpoint = Endpoint::from_shared(format!("http://{}", door.address())).unwrap();
    let channel = runtime.block_on(endpoint.connect()).unwrap();
    let client = FlightSqlServiceClient::new(channel);
    Flight { runtime, source, _door: door, client }
}

fn over(rows: usize) -> Flight {
    opened(rows, options(), Access::default())
}

impl Flight {
    fn select(&mut self, sql: &str) -> Result<Vec<RecordBatch>, FlightError> {
        self.runtime.block_on(async {
            let info = self.client.execute(sql.into(), None).await?;
            fetch(&mut self.client, info).await
        })
    }
}

/// The rows of `info`, which have to be as it announced them.
async fn fetch(
    client: &mut FlightSqlServiceClient<Channel>,
    info: FlightInfo,
) -> Result<Vec<RecordBatch>, FlightError> {
    let announced: Schema = info.clone().try_decode_schema()?;
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    let mut stream = client.do_get(ticket).await?;
    let mut batches = Vec::new();
    while let Some(batch) = stream.try_next().await? {
        batches.push(batch);
    }
    let sent = stream.schema().expect("a schema comes also without rows");
    assert_eq!(sent.as_ref(), &announced);
    Ok(batches)
}

fn rows(batches: &[RecordBatch]) -> usize {
    batches.iter().map(RecordBatch::num_rows).sum()
}

fn code(error: &FlightError) -> Code {
    match error {
        FlightError::Tonic(status) => status.code(),
        other => panic!("{other}"),
    }
}

#[test]
fn a_statement_gives_its_rows() {
    let mut flight = over(30_000);
    let batches = flight.select("SELECT * FROM file_open ORDER BY number").unwrap();
    assert_eq!(rows(&batches), 30_000);
    let schema = batches[0].schema();
    assert_eq!(schema.field_with_name("path").unwrap().data_type().to_string(), "Utf8");
    let (place, _) = schema.column_with_name("number").unwrap();
    assert_eq!(batches[0].column(place).as_primitive::<Int64Type>().value(17), 17);
    wait_for("the audit row", || !flight.source.audits.lock().unwrap().is_empty());
    let audits = flight.source.audits.lock().unwrap();
    assert_eq!(audits.len(), 1, "{audits:?}");
    assert_eq!((audits[0].door, audits[0].rows), ("flight", 30_000));
    assert_eq!(audits[0].outcome, "answered");
    assert!(audits[0].bytes > 100_000);
}

#[test]
fn an_answer_without_rows_has_columns() {
    let mut flight = over(10);
    assert_eq!(rows(&flight.select("SELECT path FROM file_open WHERE number < 0").unwrap()), 0);
}

#[test]
fn completeness_comes_with_the_rows() {
    let mut flight = over(10);
    flight.runtime.block_on(async {
        let client = &mut flight.client;
        let info = client.execute("SELECT number FROM file_open".into(), None).await.unwrap();
        let stream = client.do_get(info.endpoint[0].ticket.clone().unwrap()).await.unwrap();
        let header = stream.headers().get("fathom-completeness").unwrap().to_str().unwrap();
        let told: query::Completeness = serde_json::from_str(header).unwrap();
        assert_eq!(told.tables, ["file_open"]);
    });
}

#[test]
fn a_prepared_statement_takes_no_parameters() {
    let mut flight = over(100);
    flight.runtime.block_on(async {
        let sql = "SELECT number FROM file_open WHERE number < 7".to_string();
        let mut prepared = flight.client.prepare(sql, None).await.unwrap();
        assert_eq!(prepared.dataset_schema().unwrap().field(0).name(), "number");
        assert!(prepared.parameter_schema().unwrap().fields().is_empty());
        for _ in 0..2 {
            let info = prepared.execute().await.unwrap();
            assert_eq!(rows(&fetch(&mut flight.client, info).await.unwrap()), 7);
        }
        let number = arrow::array::Int64Array::from(vec![1]);
        let parameters = RecordBatch::try_from_iter([("a", Arc::new(number) as _)]).unwrap();
        prepared.set_parameters(parameters).unwrap();
        let error = prepared.execute().await.unwrap_err();
        assert!(error.to_string().contains("no parameters"), "{error}");
        prepared.close().await.unwrap();
    });
}

#[test]
fn the_server_tells_of_itself() {
    let mut flight = over(10);
    flight.runtime.block_on(async {
        let client = &mut flight.client;
        let info = client.get_catalogs().await.unwrap();
        let catalogs = fetch(client, info).await.unwrap();
        assert_eq!(catalogs[0].column(0).as_string::<i32>().value(0), "fathom");

        let info = client.get_db_schemas(CommandGetDbSchemas::default()).await.unwrap();
        let schemas = fetch(client, info).await.unwrap();
        assert_eq!(schemas[0].column(1).as_string::<i32>().value(0), "public");

        let wanted = CommandGetTables {
            table_name_filter_pattern: Some("file%".into()),
            include_schema: true,
            ..CommandGetTables::default()
        };
        let info = client.get_tables(wanted).await.unwrap();
        let tables = fetch(client, info).await.unwrap();
        assert_eq!(rows(&tables), 1);
        assert_eq!(tables[0].column(2).as_string::<i32>().value(0), "file_open");
        assert_eq!(tables[0].column(3).as_string::<i32>().value(0), "TABLE");

        let info = client.get_table_types().await.unwrap();
        assert_eq!(rows(&fetch(client, info).await.unwrap()), 2);
        let wanted = vec![SqlInfo::FlightSqlServerName, SqlInfo::FlightSqlServerReadOnly];
        let info = client.get_sql_info(wanted).await.unwrap();
        assert_eq!(rows(&fetch(client, info).await.unwrap()), 2);
        let info = client.get_xdbc_type_info(CommandGetXdbcTypeInfo::default()).await.unwrap();
        assert!(rows(&fetch(client, info).await.unwrap()) > 5);
    });
}

#[test]
fn what_is_wrong_has_its_code_its_place_and_near_names() {
    let mut flight = over(10);
    let error = flight.select("SELECT time,\n  pth FROM file_open").unwrap_err();
    assert_eq!(code(&error), Code::InvalidArgument);
    let text = error.to_string();
    assert!(text.contains("line 2, column 3") && text.contains("path"), "{text}");
    let error = flight.select("DROP TABLE file_open").unwrap_err();
    assert_eq!(code(&error), Code::PermissionDenied);
    let update = flight.client.execute_update("DELETE FROM file_open".into(), None);
    let error = flight.runtime.block_on(update).unwrap_err();
    assert!(error.to_string().contains("can be read"), "{error}");
    assert_eq!(flight.source.audits.lock().unwrap().len(), 2, "what fails early has a row too");
}

/// Counts further than there is time for.
const ENDLESS: &str = "SELECT sum(value % 7) FROM generate_series(1, 1000000000000)";

#[test]
fn who_goes_away_ends_the_query() {
    let mut flight = opened(20_000, Options { queries_most: 1, ..options() }, Access::default());
    let (runtime, client) = (&flight.runtime, &mut flight.client);
    runtime.block_on(async {
        let info = client.execute(ENDLESS.into(), None).await.unwrap();
        let ticket = info.endpoint[0].ticket.clone().unwrap();
        let asking = async {
            let stream = client.do_get(ticket).await.unwrap();
            stream.try_collect::<Vec<_>>().await.unwrap();
        };
        let asking = tokio::time::timeout(Duration::from_millis(300), asking).await;
        assert!(asking.is_err(), "it does not end by itself");
    });
    // Something has to be asked so that the connection says that the call is given up.
    wait_for("a free place", || flight.select("SELECT 1").is_ok());
    let audits = flight.source.audits.lock().unwrap();
    assert!(audits.iter().any(|it| it.sql == ENDLESS && it.outcome == "cancelled"), "{audits:?}");
}

#[test]
fn with_tokens_each_call_wants_one() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tokens");
    std::fs::write(&file, "grafana 0123456789abcdef\n").unwrap();
    let access = Access { tokens: Some(file), ..Access::default() };
    let mut flight = opened(10, options(), access);
    let error = flight.select("SELECT 1").unwrap_err();
    assert!(error.to_string().contains("who are you?"), "{error}");
    assert!(flight.runtime.block_on(flight.client.handshake("anybody", "wrong")).is_err());
    flight.runtime.block_on(flight.client.handshake("anybody", "0123456789abcdef")).unwrap();
    assert_eq!(rows(&flight.select("SELECT 1").unwrap()), 1);
    wait_for("the audit row", || !flight.source.audits.lock().unwrap().is_empty());
    assert_eq!(flight.source.audits.lock().unwrap()[0].who, "grafana");
}
