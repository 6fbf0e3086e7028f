//! One ring, read by one thread.

use std::ffi::c_void;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr::NonNull;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::BorrowedFd;

use crate::Kernel;

/// The two rings of one worker: `facts`, which must not be lost, and `bulk`.
pub struct Ring {
    manager: NonNull<libbpf_sys::ring_buffer>,
    /// What the next record is given to; set only while [`Ring::drain`] runs.
    slot: Box<Slot>,
}

type Take<'a> = &'a mut dyn FnMut(&[u8]);

struct Slot {
    take: Option<NonNull<c_void>>,
}

// SAFETY: libbpf's ring_buffer has no thread affinity, and `Ring` is not `Sync`, so only one
// thread at a time uses it.
unsafe impl Send for Ring {}

impl Ring {
    /// The `facts` ring of `worker`.
    pub fn facts(kernel: &Kernel, worker: usize) -> Result<Ring> {
        Ring::open(kernel.rings.facts.get(worker).context("no such worker")?.as_fd().as_raw_fd())
    }

    /// The `bulk` ring of `worker`.
    pub fn bulk(kernel: &Kernel, worker: usize) -> Result<Ring> {
        Ring::open(kernel.rings.bulk.get(worker).context("no such worker")?.as_fd().as_raw_fd())
    }

    fn open(fd: i32) -> Result<Ring> {
        let mut slot = Box::new(Slot { take: None });
        let context = (&raw mut *slot).cast::<c_void>();
        // SAFETY: `fd` is a ring buffer map, `context` points into a box that lives as long as
        // the manager, and null options are allowed.
        let manager =
            unsafe { libbpf_sys::ring_buffer__new(fd, Some(take_one), context, std::ptr::null()) };
        let manager = NonNull::new(manager)
            .ok_or_else(io::Error::last_os_error)
            .context("cannot map a ring")?;
        Ok(Ring { manager, slot })
    }

    /// Gives up to `limit` records that are there now to `take`; returns how many.
    pub fn drain(&mut self, limit: usize, mut take: impl FnMut(&[u8])) -> usize {
        let mut take: Take<'_> = &mut take;
        self.slot.take = Some(NonNull::from(&mut take).cast());
        // SAFETY: the manager is alive; `take_one` finds `take` in the slot, and `take` outlives
        // this call.
        let taken =
            unsafe { libbpf_sys::ring_buffer__consume_n(self.manager.as_ptr(), limit as _) };
        self.slot.take = None;
        usize::try_from(taken).unwrap_or(0)
    }

    /// Bytes that wait to be read.
    pub fn waiting(&self) -> u64 {
        // SAFETY: the manager is alive and has exactly one ring.
        unsafe {
            let ring = libbpf_sys::ring_buffer__ring(self.manager.as_ptr(), 0);
            libbpf_sys::ring__avail_data_size(ring)
        }
    }

    /// Bytes that fit.
    pub fn capacity(&self) -> u64 {
        // SAFETY: the manager is alive and has exactly one ring.
        unsafe {
            let ring = libbpf_sys::ring_buffer__ring(self.manager.as_ptr(), 0);
            libbpf_sys::ring__size(ring)
        }
    }

    /// Waits until one of `rings` is filling up or `timeout` is over.
    pub fn wait(rings: [&Ring; 2], timeout: Duration) {
        // SAFETY: the epoll descriptors live as long as the rings, which are borrowed here.
        let fds = rings.map(|ring| unsafe {
            BorrowedFd::borrow_raw(libbpf_sys::ring_buffer__epoll_fd(ring.manager.as_ptr()))
        });
        let mut fds = [PollFd::new(&fds[0], PollFlags::IN), PollFd::new(&fds[1], PollFlags::IN)];
        let timeout = Timespec::try_from(timeout).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        // An interrupted wait is a short wait: the caller looks at the rings in any case.
        let _ = poll(&mut fds, Some(&timeout));
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the manager is alive and is not used after this.
        unsafe { libbpf_sys::ring_buffer__free(self.manager.as_ptr()) };
    }
}

/// What libbpf calls for each record.
extern "C" fn take_one(context: *mut c_void, data: *mut c_void, size: libbpf_sys::size_t) -> i32 {
    // SAFETY: `context` is the slot given to ring_buffer__new; `take`, where set, points to a
    // `Take` that `drain` keeps alive; `data` is a record of `size` bytes that libbpf mapped.
    unsafe {
        let slot = &*context.cast::<Slot>();
        if let Some(take) = slot.take {
            let take: &mut Take<'_> = &mut *take.as_ptr().cast();
            take(std::slice::from_raw_parts(data.cast::<u8>(), size as usize));
        }
    }
    0
}
