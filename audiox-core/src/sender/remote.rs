//! What receivers say in extended reports, and the answers to them.

use crate::error::WriteError;
use crate::packet::rtcp::{CompoundWriter, ExtendedReport, LossRle, ReportBlock, XrBlock, XrDelay};
use crate::stats::SenderStats;
use crate::time::{Instant, SeqNum};

/// Reference times to be answered, and how far loss has been told.
#[derive(Debug, Default)]
pub(super) struct Remote {
    /// Of up to 31 receivers, until they are answered: SSRC, the middle of their time, when it
    /// came.
    asked: [Option<(u32, u32, Instant)>; MAX_ANSWERS],
    /// Who told of losses last, up to which packet, and whether that was lost.
    told: Option<(u32, SeqNum, bool)>,
}

impl Remote {
    /// Takes in a report that may be about the stream `ssrc`.
    pub(super) fn take(
        &mut self,
        now: Instant,
        ssrc: u32,
        report: &ExtendedReport<'_>,
        stats: &mut SenderStats,
    ) {
        for block in report.blocks() {
            match block {
                Ok(XrBlock::ReferenceTime(ntp)) => {
                    let of = |a: &Option<(u32, u32, Instant)>| a.map(|(ssrc, ..)| ssrc);
                    let known = self.asked.iter().position(|a| of(a) == Some(report.ssrc));
                    let place = known.or_else(|| self.asked.iter().position(Option::is_none));
                    if let Some(place) = place {
                        self.asked[place] = Some((report.ssrc, ntp.middle(), now));
                    }
                }
                Ok(XrBlock::Loss(loss)) if loss.ssrc == ssrc && loss.thinning == 0 => {
                    self.take_loss(report.ssrc, &loss, stats);
                }
                Ok(XrBlock::JitterBuffer(delay)) if delay.ssrc == ssrc => {
                    stats.remote_delay = delay.nominal.or(stats.remote_delay);
                }
                Ok(_) => {}
                Err(_) => stats.reports_malformed += 1,
            }
        }
    }

    /// Counts lost packets and the runs of them.
    fn take_loss(&mut self, from: u32, loss: &LossRle<'_>, stats: &mut SenderStats) {
        let follows = self
            .told
            .filter(|(who, end, _)| (*who, *end) == (from, loss.begin));
        let lost_before = follows.is_some_and(|(.., lost)| lost);
        // A datagram can tell of millions of packets: who forges one is not to take their time.
        let losses = loss.losses(lost_before);
        stats.remote_told += losses.told;
        stats.remote_losses += losses.lost;
        stats.remote_loss_runs += losses.runs;
        self.told = Some((from, loss.end, losses.last));
    }

    /// Answers the reference times that came since the last report.
    pub(super) fn answer(
        &mut self,
        now: Instant,
        ssrc: u32,
        writer: &mut CompoundWriter<'_>,
    ) -> Result<(), WriteError> {
        let mut answers = [XrDelay::default(); MAX_ANSWERS];
        let asked = self.asked.iter().flatten();
        let mut count = 0;
        for (room, (ssrc, middle, came)) in answers.iter_mut().zip(asked) {
            *room = XrDelay {
                ssrc: *ssrc,
                last_rr: *middle,
                delay_since_last_rr: ReportBlock::delay_units(now.saturating_since(*came)),
            };
            count += 1;
        }
        if count > 0 {
            writer.delays(ssrc, &answers[..count])?;
            self.asked = [None; MAX_ANSWERS];
        }
        Ok(())
    }
}

/// Receivers answered in one report.
const MAX_ANSWERS: usize = 31;
