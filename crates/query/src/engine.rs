//! The engine: its threads, what its queries know, and how one runs.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::config::ConfigOptions;
use datafusion::datasource::ViewTable;
use datafusion::error::DataFusionError;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::{SessionConfig, SessionContext};
use schema::Table;
use store::Catalogue;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

use crate::answer::{Run, broken_off, fault, too_long};
use crate::completeness::completeness;
use crate::functions::{self, Labels};
use crate::problem::{self, Names};
use crate::provider::{Asked, Provider, sql_schema};
use crate::statement::{self, Parsed, Refused};
use crate::stop::{Stop, stoppable};
use crate::views::{self, VIEWS, View};
use crate::{Answer, Ask, Filter, Listed, Options, Problem, Trouble};

/// Batches on the way to who asked.
const WAITING: usize = 2;
/// A limit up to this is told to the plan, which may then sort less.
const PLANNED_LIMIT: u64 = 10_000;
/// What is answered to SHOW TABLES.
const SHOW_TABLES: &str = "
SELECT table_name AS \"table\", CASE table_type WHEN 'VIEW' THEN 'view' ELSE 'table' END AS kind
FROM information_schema.tables WHERE table_schema = 'public' ORDER BY table_name";

/// Answers queries, on threads of its own that give way to all others.
pub struct Engine {
    threads: Threads,
    shared: Arc<Shared>,
}

/// What every query knows.
#[derive(Clone)]
pub(crate) struct Shared {
    state: SessionState,
    catalogue: Catalogue,
    options: Options,
    pub(crate) names: Names,
    listed: Vec<Listed>,
    slots: Arc<Semaphore>,
}

/// A runtime that may be dropped anywhere.
struct Threads(Option<Runtime>);

/// Ends a task that nobody waits for any more.
struct AbortOnDrop(AbortHandle);

impl Engine {
    /// An engine over `catalogue`, which may hold rows of `tables`. Fails where its threads cannot
    /// be started.
    pub fn new(
        catalogue: Catalogue,
        tables: &[&'static Table],
        options: Options,
    ) -> io::Result<Engine> {
        let threads = Threads::start(options.threads.max(1))?;
        let state = state(&options).map_err(io::Error::other)?;
        let context = SessionContext::new_with_state(state);
        let (over_all, stored): (Vec<_>, Vec<_>) =
            tables.iter().copied().partition(|table| table.name == views::OVER_ALL);
        let mut listed = tables_of(&context, &stored).map_err(io::Error::other)?;
        for view in VIEWS {
            let there = |name: &&str| tables.iter().any(|table| table.name == *name);
            if view.tables.iter().all(there) {
                listed.push(add_view(&context, view).map_err(io::Error::other)?);
            }
        }
        for table in over_all {
            if let Some(sql) = views::over_all(table, &stored) {
                let (name, doc) = (table.name, table.doc);
                let view = View { name, doc, tables: &[], sql: &sql };
                listed.push(add_view(&context, &view).map_err(io::Error::other)?);
            }
        }
        let state = context.state();
        let names = names(&state, &listed);
        let slots = Arc::new(Semaphore::new(options.queries_most));
        let shared = Shared { state, catalogue, options, names, listed, slots };
        Ok(Engine { threads, shared: Arc::new(shared) })
    }

    /// The same, with what tells pods' labels: the function `label` asks it.
    pub fn with_labels(mut self, labels: Labels) -> Engine {
        let shared = Arc::make_mut(&mut self.shared);
        // A function that is known takes another in its place, so there is nothing to fail.
        let _ = functions::register_label(&mut shared.state, Some(labels));
        self
    }

    /// Plans, and begins to answer. From any runtime.
    pub async fn ask(&self, ask: Ask) -> Result<Answer, Problem> {
        let slot = self.shared.slots.clone().try_acquire_owned().map_err(|_| busy())?;
        let shared = self.shared.clone();
        let task = self.threads.spawn(async move { shared.begin(ask, slot).await });
        let _guard = AbortOnDrop(task.abort_handle());
        task.await.unwrap_or_else(|error| Err(died(error.is_cancelled())))
    }

    /// The same, for a thread without a runtime.
    pub fn ask_blocking(&self, ask: Ask) -> Result<Answer, Problem> {
        futures::executor::block_on(self.ask(ask))
    }

    /// The columns that the answer to `sql` will have.
    pub async fn columns(&self, sql: &str) -> Result<SchemaRef, Problem> {
        let (shared, sql) = (self.shared.clone(), sql.to_string());
        let task = self.threads.spawn(async move {
            let state = shared.state_of(Asked::default());
            let plan = shared.plan(&state, &sql).await?;
            Ok(Arc::new(Schema::clone(plan.schema().as_arrow())))
        });
        let _guard = AbortOnDrop(task.abort_handle());
        task.await.unwrap_or_else(|error| Err(died(error.is_cancelled())))
    }

    /// Every table and view with its columns, for completion and catalogues.
    pub fn catalogue(&self) -> Vec<Listed> {
        self.shared.listed.clone()
    }

    /// A condition on rows of one table, for live tails.
    pub fn filter(&self, table: &'static Table, condition: &str) -> Result<Filter, Problem> {
        let state = self.shared.state_of(Asked::default());
        Filter::new(&state, table, condition, &self.shared.names)
    }
}

impl Shared {
    /// The session of one query.
    fn state_of(&self, asked: Asked) -> SessionState {
        let mut state = self.state.clone();
        state.mark_start_execution();
        state.config_mut().set_extension(Arc::new(asked));
        state
    }

    async fn begin(
        self: Arc<Self>,
        ask: Ask,
        slot: OwnedSemaphorePermit,
    ) -> Result<Answer, Problem> {
        let most = self.options.time_out;
        let time_out = ask.time_out.map_or(most, |less| less.min(most));
        let deadline = Instant::now() + time_out;
        let began = timeout_at(deadline, self.planned(&ask)).await;
        let (state, plan) = began.unwrap_or_else(|_| Err(too_long(time_out)))?;
        let explain = |error: DataFusionError| problem::explain(&error, &ask.sql, &self.names);
        let asked = state.config().get_extension::<Asked>().ok_or_else(broken_off)?;
        let completeness = completeness(&asked).map_err(explain)?;
        let stop = Arc::new(Stop::new(deadline, time_out));
        let plan = stoppable(plan, &stop).map_err(explain)?;
        let stream = execute_stream(plan, state.task_ctx()).map_err(explain)?;
        let (schema, cut) = (stream.schema(), Arc::new(AtomicBool::new(false)));
        let run = Run {
            stream,
            sql: ask.sql,
            shared: self.clone(),
            deadline,
            time_out,
            limit: ask.limit.unwrap_or(u64::MAX),
            most: self.options.rows_most,
            cut: cut.clone(),
        };
        let (sender, told) = mpsc::channel(WAITING);
        let task = tokio::spawn(async move {
            run.run(sender).await;
            drop(slot);
        });
        let (task, counters) = (task.abort_handle(), asked.counters.clone());
        Ok(Answer { schema, completeness, told, task, stop, counters, cut, over: false })
    }

    /// The plan that is executed, and its session.
    async fn planned(&self, ask: &Ask) -> Result<(SessionState, Arc<dyn ExecutionPlan>), Problem> {
        let state = self.state_of(Asked::new(self.catalogue.contents()));
        let explain = |error: DataFusionError| problem::explain(&error, &ask.sql, &self.names);
        let mut plan = self.plan(&state, &ask.sql).await?;
        if let Some(limit) = ask.limit.filter(|limit| *limit <= PLANNED_LIMIT)
            && !matches!(plan, LogicalPlan::Explain(_) | LogicalPlan::Analyze(_))
        {
            // One more than wanted, to know whether there is more.
            let limited = LogicalPlanBuilder::from(plan).limit(0, Some(limit as usize + 1));
            plan = limited.and_then(LogicalPlanBuilder::build).map_err(explain)?;
        }
        let plan = state.create_physical_plan(&plan).await.map_err(explain)?;
        Ok((state, plan))
    }

    async fn plan(&self, state: &SessionState, sql: &str) -> Result<LogicalPlan, Problem> {
        let explain = |error: DataFusionError| problem::explain(&error, sql, &self.names);
        let refused = |refused| match refused {
            Refused::Problem(problem) => problem,
            Refused::Error(error) => explain(error),
        };
        let plan = match statement::parse(sql).map_err(refused)? {
            Parsed::Tables => state.create_logical_plan(SHOW_TABLES).await,
            Parsed::Plan(statement) => state.statement_to_plan(*statement).await,
        };
        let plan = plan.map_err(explain)?;
        statement::check(&plan)?;
        Ok(plan)
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Threads {
    fn start(number: usize) -> io::Result<Threads> {
        let next = AtomicUsize::new(0);
        let runtime = Builder::new_multi_thread()
            // One more than work on rows, so that there is one to tell the time.
            .worker_threads(number + 1)
            .enable_time()
            .thread_name_fn(move || format!("query-{}", next.fetch_add(1, Ordering::Relaxed)))
            .on_thread_start(|| {
                // Of this thread alone. Where it is refused, the thread is as others are.
                let _ = rustix::process::nice(10);
            })
            .build()?;
        Ok(Threads(Some(runtime)))
    }

    fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.0.as_ref().expect("it is taken by drop alone").spawn(task)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn state(options: &Options) -> Result<SessionState, DataFusionError> {
    let mut config = SessionConfig::new()
        .with_default_catalog_and_schema("fathom", "public")
        .with_information_schema(true)
        .with_target_partitions(options.threads.max(1));
    configure(config.options_mut());
    let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
    let environment = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(GreedyMemoryPool::new(options.memory)))
        .with_disk_manager_builder(disk)
        .build_arc()?;
    let mut state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(environment)
        .with_default_features()
        .build();
    functions::register(&mut state)?;
    Ok(state)
}

fn configure(options: &mut ConfigOptions) {
    options.execution.time_zone = Some("UTC".to_string());
    options.sql_parser.collect_spans = true;
    // Conditions are applied while columns are decoded: rows that do not fit are never whole.
    options.execution.parquet.pushdown_filters = true;
    options.execution.parquet.reorder_filters = true;
    options.execution.collect_statistics = true;
    // Scans are made of small pieces as they are.
    options.optimizer.repartition_file_scans = false;
}

fn tables_of(
    context: &SessionContext,
    tables: &[&'static Table],
) -> Result<Vec<Listed>, DataFusionError> {
    let mut listed = Vec::new();
    for &table in tables {
        context.register_table(table.name, Arc::new(Provider::new(table)))?;
        let (name, doc) = (table.name.to_string(), table.doc.to_string());
        listed.push(Listed { name, doc, view: false, schema: sql_schema(table) });
    }
    Ok(listed)
}

fn add_view(context: &SessionContext, view: &View<'_>) -> Result<Listed, DataFusionError> {
    let state = context.state();
    // Planning a view awaits nothing.
    let plan = futures::executor::block_on(state.create_logical_plan(view.sql))?;
    let schema = Arc::new(Schema::clone(plan.schema().as_arrow()));
    let table = Arc::new(ViewTable::new(plan, Some(view.sql.trim().to_string())));
    context.register_table(view.name, table)?;
    let (name, doc) = (view.name.to_string(), view.doc.to_string());
    Ok(Listed { name, doc, view: true, schema })
}

fn names(state: &SessionState, listed: &[Listed]) -> Names {
    let columns = listed.iter().flat_map(|it| it.schema.fields().iter());
    let mut columns: Vec<String> = columns.map(|field| field.name().clone()).collect();
    columns.sort_unstable();
    columns.dedup();
    let functions = state.scalar_functions().keys().chain(state.aggregate_functions().keys());
    let functions = functions.chain(state.window_functions().keys()).cloned();
    let tables = listed.iter().map(|it| it.name.clone()).collect();
    Names { tables, columns, functions: functions.collect() }
}

fn busy() -> Problem {
    let message = "as many queries run as may run at once: try again when one is done";
    Problem { kind: Trouble::Busy, message: message.to_string(), place: None, near: Vec::new() }
}

/// What is said of a task that did not come to its end.
fn died(cancelled: bool) -> Problem {
    if cancelled {
        return broken_off();
    }
    fault()
}
