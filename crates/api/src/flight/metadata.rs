//! What Flight SQL tells of the server itself: its tables, its types, what it can do.

use std::sync::LazyLock;

use arrow::record_batch::RecordBatch;
use arrow_flight::error::FlightError;
use arrow_flight::sql::metadata::{
    SqlInfoData, SqlInfoDataBuilder, XdbcTypeInfo, XdbcTypeInfoData, XdbcTypeInfoDataBuilder,
};
use arrow_flight::sql::{
    CommandGetCatalogs, CommandGetDbSchemas, CommandGetTableTypes, CommandGetTables, Nullable,
    Searchable, SqlInfo, SqlSupportedCaseSensitivity, SqlSupportedTransaction, XdbcDataType,
};
use query::Listed;

/// The names that SQL knows our tables by, as in `fathom.public.file_open`.
const CATALOG: &str = "fathom";
const SCHEMA: &str = "public";
const TABLE: &str = "TABLE";
const VIEW: &str = "VIEW";

pub(super) fn catalogs(query: CommandGetCatalogs) -> Result<RecordBatch, FlightError> {
    let mut builder = query.into_builder();
    builder.append(CATALOG);
    builder.build()
}

pub(super) fn schemas(query: CommandGetDbSchemas) -> Result<RecordBatch, FlightError> {
    let mut builder = query.into_builder();
    builder.append(CATALOG, SCHEMA);
    builder.build()
}

pub(super) fn table_types(query: CommandGetTableTypes) -> Result<RecordBatch, FlightError> {
    let mut builder = query.into_builder();
    builder.append(TABLE);
    builder.append(VIEW);
    builder.build()
}

pub(super) fn tables(
    query: CommandGetTables,
    listed: &[Listed],
) -> Result<RecordBatch, FlightError> {
    let mut builder = query.into_builder();
    for Listed { name, view, schema, .. } in listed {
        let kind = if *view { VIEW } else { TABLE };
        builder.append(CATALOG, SCHEMA, name, kind, &query::portable_schema(schema))?;
    }
    builder.build()
}

/// What the server is and can do.
pub(super) fn sql_info() -> &'static SqlInfoData {
    static INFO: LazyLock<SqlInfoData> = LazyLock::new(|| {
        let mut info = SqlInfoDataBuilder::new();
        info.append(SqlInfo::FlightSqlServerName, "Fathom");
        info.append(SqlInfo::FlightSqlServerVersion, env!("CARGO_PKG_VERSION"));
        info.append(SqlInfo::FlightSqlServerArrowVersion, "1.3");
        info.append(SqlInfo::FlightSqlServerReadOnly, true);
        info.append(SqlInfo::FlightSqlServerSql, true);
        info.append(SqlInfo::FlightSqlServerSubstrait, false);
        info.append(SqlInfo::FlightSqlServerCancel, false);
        info.append(SqlInfo::FlightSqlServerBulkIngestion, false);
        info.append(SqlInfo::FlightSqlServerTransaction, SqlSupportedTransaction::None as i32);
        info.append(SqlInfo::SqlDdlCatalog, false);
        info.append(SqlInfo::SqlDdlSchema, false);
        info.append(SqlInfo::SqlDdlTable, false);
        info.append(SqlInfo::SqlIdentifierQuoteChar, "\"");
        info.append(
            SqlInfo::SqlIdentifierCase,
            SqlSupportedCaseSensitivity::SqlCaseSensitivityLowercase as i32,
        );
        info.append(
            SqlInfo::SqlQuotedIdentifierCase,
            SqlSupportedCaseSensitivity::SqlCaseSensitivityCaseInsensitive as i32,
        );
        info.build().expect("each value has the type of its name")
    });
    &INFO
}

/// The types of columns, in the words of ODBC and JDBC.
pub(super) fn types() -> &'static XdbcTypeInfoData {
    static TYPES: LazyLock<XdbcTypeInfoData> = LazyLock::new(|| {
        let mut types = XdbcTypeInfoDataBuilder::new();
        for (name, kind, size, unsigned) in [
            ("BOOLEAN", XdbcDataType::XdbcBit, 1, None),
            ("SMALLINT UNSIGNED", XdbcDataType::XdbcSmallint, 5, Some(true)),
            ("INT UNSIGNED", XdbcDataType::XdbcInteger, 10, Some(true)),
            ("BIGINT", XdbcDataType::XdbcBigint, 19, Some(false)),
            ("BIGINT UNSIGNED", XdbcDataType::XdbcBigint, 20, Some(true)),
            ("DOUBLE", XdbcDataType::XdbcDouble, 53, Some(false)),
            ("VARCHAR", XdbcDataType::XdbcVarchar, i32::MAX, None),
            ("TIMESTAMP", XdbcDataType::XdbcTimestamp, 29, None),
        ] {
            types.append(named(name, kind, size, unsigned));
        }
        types.build().expect("each type has every column")
    });
    &TYPES
}

fn named(name: &str, kind: XdbcDataType, size: i32, unsigned: Option<bool>) -> XdbcTypeInfo {
    let quote = matches!(kind, XdbcDataType::XdbcVarchar | XdbcDataType::XdbcTimestamp);
    let quote = quote.then(|| "'".to_string());
    XdbcTypeInfo {
        type_name: name.into(),
        data_type: kind,
        column_size: Some(size),
        literal_prefix: quote.clone(),
        literal_suffix: quote,
        create_params: None,
        nullable: Nullable::NullabilityNullable,
        case_sensitive: kind == XdbcDataType::XdbcVarchar,
        searchable: Searchable::Full,
        unsigned_attribute: unsigned,
        fixed_prec_scale: false,
        auto_increment: Some(false),
        local_type_name: Some(name.into()),
        minimum_scale: None,
        maximum_scale: None,
        sql_data_type: kind,
        datetime_subcode: None,
        num_prec_radix: unsigned.map(|_| 10),
        interval_precision: None,
    }
}
