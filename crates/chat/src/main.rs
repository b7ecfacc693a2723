//! The chat server: `cargo run -p chat`.

mod explain;

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use chat::history::{FLUSH_INTERVAL_DEFAULT, HISTORY_EVENTS_MAX_DEFAULT};
use chat::hub::FloodLimit;
use chat::limits::{FLOOD_BURST_DEFAULT, FLOOD_RATE_DEFAULT, ROOMS_MAX_DEFAULT};
use chat::{Server, Settings, history};
use clap::Parser;
use lamport::ProcessId;
use lamport::trace::Service;
use proto::net::cli::{
    ObserveArgs, PageArgs, ServerArgs, announce, exit_code, log_to_stderr, parse, parse_address,
    parse_duration,
};
use proto::net::{Shutdown, raise_open_files_limit};

/// A chat hub: rooms, private messages, unique names, stored history
#[derive(Debug, Parser)]
#[command(
    name = "chat",
    version,
    after_help = "Every flag is an environment variable too: --listen is CHAT_LISTEN."
)]
struct Args {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:50000", value_parser = parse_address)]
    listen: String,
    /// Directory of the stored history
    #[arg(long, value_name = "DIR", default_value = "data/chat")]
    data: PathBuf,
    /// Store nothing
    #[arg(long)]
    memory: bool,
    /// Events a room keeps
    #[arg(long, value_name = "N", default_value_t = HISTORY_EVENTS_MAX_DEFAULT, value_parser = clap::value_parser!(u64).range(1..))]
    history_max: u64,
    /// Rooms at a time; one more takes the place of an empty one, which is forgotten
    #[arg(long, value_name = "N", default_value_t = ROOMS_MAX_DEFAULT)]
    rooms_max: NonZeroUsize,
    /// How old an event may become before it is stored: what a crash can cost
    #[arg(long, value_name = "TIME", default_value = default_flush_interval(), value_parser = parse_duration)]
    flush_interval: Duration,
    /// Requests a second of one connection in the long run; 0 lifts the limit
    #[arg(long, value_name = "N", default_value_t = FLOOD_RATE_DEFAULT)]
    flood_rate: u32,
    /// Requests of one connection at once; 0 lifts the limit
    #[arg(long, value_name = "N", default_value_t = FLOOD_BURST_DEFAULT)]
    flood_burst: u32,
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    page: PageArgs,
    #[command(flatten)]
    observe: ObserveArgs,
}

#[tokio::main]
async fn main() -> ExitCode {
    exit_code(run(parse("CHAT")).await)
}

async fn run(args: Args) -> anyhow::Result<()> {
    log_to_stderr(&args.observe.log)?;
    if let Err(error) = raise_open_files_limit() {
        tracing::warn!(%error, "the limit on open files stays as it is");
    }
    let (listen, page) = (args.listen.clone(), args.page.address());
    let server = Server::bind(&listen, settings(args)?)
        .await
        .map_err(|error| explain::start(error, "--listen"))?;
    let address = server
        .local_address()
        .context("the server listens on no address")?;
    let server = match page {
        Some(page) => server
            .with_page(page)
            .await
            .map_err(|error| explain::start(error, "--http"))?,
        None => server,
    };
    // Before anybody is told that the server is there: who knows it may end it.
    let shutdown = Shutdown::at_signals();
    announce(address)?;
    server.run(shutdown).await?;
    tracing::info!("stopped");
    Ok(())
}

fn settings(args: Args) -> anyhow::Result<Settings> {
    let tracer = args
        .observe
        .trace
        .tracer(Service::Chat, || ProcessId::new("chat"))?;
    Ok(Settings {
        data: (!args.memory).then_some(args.data),
        history: history::Settings {
            flush_interval: args.flush_interval,
            events_max: args.history_max,
            ..history::Settings::default()
        },
        rooms_max: args.rooms_max,
        limits: args.server.limits(),
        flood: NonZeroU32::new(args.flood_rate)
            .zip(NonZeroU32::new(args.flood_burst))
            .map(|(rate, burst)| FloodLimit { rate, burst }),
        tracer,
    })
}

fn default_flush_interval() -> String {
    format!("{}ms", FLUSH_INTERVAL_DEFAULT.as_millis())
}
