//! What the sender's side of a stream does with reports.

use super::repair;
use crate::redundancy::{LossReport, RedundancyConfig, RedundancyController, RedundancyPlan};
use crate::sender::Sender;
use crate::time::Instant;

/// A sender's redundancy and what it was told.
#[derive(Debug)]
pub(super) struct Redundancy {
    controller: RedundancyController,
    has_repair: bool,
    /// Losses, and runs of them, at the last report.
    told: (u64, u64, u64),
    pub(super) plan: Option<RedundancyPlan>,
}

impl Redundancy {
    pub(super) fn new(config: RedundancyConfig) -> Self {
        Self {
            controller: RedundancyController::new(config),
            has_repair: config.means.repair,
            told: (0, 0, 0),
            plan: None,
        }
    }

    /// Adapts what `sender` sends to the report that it took at `now`.
    pub(super) fn protect(&mut self, now: Instant, sender: &mut Sender) {
        let stats = *sender.stats();
        let before = self.told;
        self.told = (
            stats.remote_told,
            stats.remote_losses,
            stats.remote_loss_runs,
        );
        let packets = self.told.0 - before.0;
        let report = LossReport {
            lost: f64::from(stats.remote_fraction_lost) / 256.0,
            packets: (packets > 0).then_some(packets),
            bursts: Some((self.told.1 - before.1, self.told.2 - before.2)),
            round_trip: stats.round_trip_time,
            delay: stats.remote_delay,
            payload: (stats.bytes_sent / stats.packets_sent.max(1)) as usize,
        };
        let plan = self.controller.report(now, &report);
        self.plan = Some(plan);
        if self.has_repair {
            let repair = repair(sender.ssrc(), plan.window, plan.rate);
            let set = sender.set_repair(Some(repair));
            debug_assert!(set.is_ok(), "a plan can be carried out: {set:?}");
        }
    }
}
