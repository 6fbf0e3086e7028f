//! The doors that are open, and how a new configuration changes them.

use std::sync::Arc;

use anyhow::{Context, Result};
use api::{Door, Doorway, Limits};

use super::front::Front;
use super::log::Log;
use crate::config::{Config, Folder, Listen};

/// The doors: each as it was asked for, and open.
pub(super) struct Doors {
    http: Option<(Doorway, Door)>,
    flight: Option<(Doorway, Door)>,
}

impl Doors {
    /// Opens what `config` says.
    pub(super) fn open(config: &Config, front: &Arc<Front>) -> Result<Doors> {
        let (http, flight) = wanted(config);
        let http = http.map(|it| open_http(it, front)).transpose()?;
        let flight = flight.map(|it| open_flight(it, front)).transpose()?;
        Ok(Doors { http, flight })
    }

    /// Opens and closes as `config` says; whether anything changed. Where that fails, the doors
    /// are as they were.
    pub(super) fn change(&mut self, config: &Config, front: &Arc<Front>) -> Result<bool> {
        let (http, flight) = wanted(config);
        let same = |open: &Option<(Doorway, Door)>, wanted: &Option<Doorway>| {
            open.as_ref().map(|(doorway, _)| doorway) == wanted.as_ref()
        };
        let changes = !(same(&self.http, &http) && same(&self.flight, &flight));
        if !same(&self.http, &http) {
            exchange(&mut self.http, http, |it| open_http(it, front)).context("http.listen")?;
        }
        if !same(&self.flight, &flight) {
            exchange(&mut self.flight, flight, |it| open_flight(it, front))
                .context("flight.listen")?;
        }
        Ok(changes)
    }

    /// Says where they are.
    pub(super) fn tell(&self, log: &Log) {
        let scheme = |door: &Door, plain, tls| if door.tls() { tls } else { plain };
        match &self.http {
            Some((_, door)) => log.info(format_args!(
                "metrics and health at {}://{}",
                scheme(door, "http", "https"),
                door.address()
            )),
            None => log.info("no door for metrics and health"),
        }
        if let Some((_, door)) = &self.flight {
            let scheme = scheme(door, "grpc", "grpc+tls");
            log.info(format_args!("Flight SQL at {scheme}://{}", door.address()));
        }
    }

    /// Closes them.
    pub(super) fn close(&mut self) {
        (self.http, self.flight) = (None, None);
    }
}

/// Puts a door for `wanted` where `place` is. The old one closes first, since two cannot listen
/// at one address; where the new one cannot be opened, the old one is opened again.
fn exchange(
    place: &mut Option<(Doorway, Door)>,
    wanted: Option<Doorway>,
    open: impl Fn(Doorway) -> Result<(Doorway, Door)>,
) -> Result<()> {
    let old = place.take().map(|(doorway, door)| {
        drop(door);
        doorway
    });
    let opened = wanted.map(&open).transpose();
    match opened {
        Ok(door) => {
            *place = door;
            Ok(())
        }
        Err(error) => {
            *place = old.map(open).transpose()?;
            Err(error)
        }
    }
}

fn wanted(config: &Config) -> (Option<Doorway>, Option<Doorway>) {
    let doorway = |listen| match listen {
        Listen::Off => None,
        Listen::On(listen) => {
            let (access, limits) = (config.access.of_doors(), Limits::default());
            Some(Doorway { listen, access, limits })
        }
    };
    // Without a store there is nothing behind the door for SQL.
    let flight = match config.store.directory {
        Folder::Off => None,
        Folder::At(_) => doorway(config.flight.listen),
    };
    (doorway(config.http.listen), flight)
}

fn open_http(doorway: Doorway, front: &Arc<Front>) -> Result<(Doorway, Door)> {
    let door = api::serve(doorway.clone(), front.clone()).context("cannot open the door")?;
    Ok((doorway, door))
}

fn open_flight(doorway: Doorway, front: &Arc<Front>) -> Result<(Doorway, Door)> {
    let door = api::serve_flight(doorway.clone(), front.clone());
    Ok((doorway, door.context("cannot open the door for Flight SQL")?))
}
