//! Those who come and go in the shop: a customer, a packer, a cron.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context;

use super::until_closed;

/// Looks around and orders.
pub(super) fn customer(port: &str) -> anyhow::Result<()> {
    let port: u16 = port.parse().context("the shop's port")?;
    until_closed(Duration::from_millis(250), |number| {
        let body = format!("{{\"order\": {number}, \"item\": \"lamp\"}}\n");
        let request = match number % 4 {
            0 => "GET / HTTP/1.1\r\n\r\n".to_owned(),
            1 => format!("POST /orders HTTP/1.1\r\ncontent-length: {}\r\n\r\n{body}", body.len()),
            2 => "GET /prices.txt HTTP/1.1\r\n\r\n".to_owned(),
            _ => "GET /sale.html HTTP/1.1\r\n\r\n".to_owned(),
        };
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.write_all(request.as_bytes())?;
        stream.read_to_end(&mut Vec::new())?;
        Ok(())
    })
}

/// Packs what was ordered.
pub(super) fn packer(home: &Path) -> anyhow::Result<()> {
    until_closed(Duration::from_millis(500), |_| {
        for order in fs::read_dir(home.join("orders"))? {
            let order = order?.path();
            if order.extension().is_none_or(|it| it != "json") {
                continue;
            }
            let name = order.file_name().context("an order has a name")?;
            let label = home.join("shipped").join(name).with_extension("label");
            fs::write(label.with_extension("part"), fs::read(&order)?)?;
            fs::rename(label.with_extension("part"), label)?;
            fs::remove_file(order)?;
        }
        Ok(())
    })
}

/// Runs a shell now and then, as crons do.
pub(super) fn cron() -> anyhow::Result<()> {
    until_closed(Duration::from_millis(2500), |_| {
        Command::new("/bin/sh")
            .args(["-c", "ls shipped | wc -l > stock.txt; exit 3"])
            .stdin(Stdio::null())
            .status()?;
        Ok(())
    })
}
