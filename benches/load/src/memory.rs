//! Watches the memory of a process, and counts the generator's own time on the CPU. Both come from Linux's /proc; where
//! there is none, they are not known.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;

/// The resident memory of the process `pid` in bytes.
pub(crate) fn resident(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? << 10)
}

/// Seconds that this process's first thread, the generator, has spent on a CPU.
pub(crate) fn own_cpu_seconds() -> Option<f64> {
    let line = fs::read_to_string("/proc/self/schedstat").ok()?;
    Some(line.split(' ').next()?.parse::<f64>().ok()? / 1e9)
}

/// Keeps the highest resident memory of a process since the last question. Dropping it ends the watch.
#[derive(Debug)]
pub(crate) struct Watch {
    pid: Option<u32>,
    highest: Arc<AtomicU64>,
    task: Option<JoinHandle<()>>,
}

impl Watch {
    /// Watches `pid` ten times a second; nothing if it is not known.
    pub(crate) fn start(pid: Option<u32>) -> Self {
        let highest = Arc::new(AtomicU64::new(0));
        let task = pid.map(|pid| {
            let highest = Arc::clone(&highest);
            tokio::spawn(async move {
                loop {
                    highest.fetch_max(resident(pid).unwrap_or(0), Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            })
        });
        Self { pid, highest, task }
    }

    /// The memory now; 0 if it is not known.
    pub(crate) fn now(&self) -> u64 {
        self.pid.and_then(resident).unwrap_or(0)
    }

    /// The highest since the last question.
    pub(crate) fn take_highest(&self) -> u64 {
        self.highest.swap(0, Ordering::Relaxed).max(self.now())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}
