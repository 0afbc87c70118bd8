use std::time::Duration;

use super::*;

/// A latency that grows with what the controller leaves of the drift.
struct Plant {
    controller: DriftController,
    latency: f64,
    now: f64,
    ppm: f64,
    estimate: Option<DriftEstimate>,
}

impl Plant {
    fn new() -> Self {
        Self {
            controller: DriftController::new(&DriftControlConfig::default()).unwrap(),
            latency: 0.0,
            now: 0.0,
            ppm: 0.0,
            estimate: None,
        }
    }

    /// Runs with a drift for some seconds; returns the largest error on the way.
    fn run(&mut self, drift: f64, seconds: f64, mut noise: impl FnMut() -> f64) -> f64 {
        let (end, mut worst) = (self.now + seconds, 0.0f64);
        while self.now < end {
            self.now += 0.01;
            self.latency += (drift - self.ppm) * 1e3 * 0.01;
            let before = self.ppm;
            let now = Instant::from_nanos((self.now * 1e9) as u64);
            self.ppm = self
                .controller
                .update(now, (self.latency + noise()) as i64, self.estimate);
            assert!((self.ppm - before).abs() < 2.1, "slewed");
            worst = worst.max(self.latency.abs());
        }
        worst
    }

    fn know(&mut self, ppm: f64) {
        self.estimate = Some(DriftEstimate {
            ppm,
            sigma_ppm: 0.3,
            span: Duration::from_secs(60),
        });
    }
}

#[test]
fn clocks_that_agree_leave_every_frame_untouched() {
    let mut plant = Plant::new();
    let mut n = 0u32;
    plant.know(0.2);
    plant.run(0.0, 3_600.0, || {
        n = n.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(n >> 12) - 524_288.0
    });
    assert_eq!(plant.ppm, 0.0);
}

#[test]
fn drift_that_is_known_costs_no_latency() {
    let mut plant = Plant::new();
    plant.know(200.0);
    let worst = plant.run(200.0, 600.0, || 0.0);
    assert!(worst < 250_000.0, "{worst}");
    assert!((plant.ppm - 200.0).abs() < 0.1);
    assert!(plant.latency.abs() < 20_000.0, "{}", plant.latency);
}

#[test]
fn drift_that_nobody_measured_is_found_by_the_latency() {
    for drift in [-500.0, 60.0] {
        let mut plant = Plant::new();
        let worst = plant.run(drift, 300.0, || 0.0);
        assert!(worst < 9e6, "{worst}");
        assert!(plant.latency.abs() < 0.2e6, "{}", plant.latency);
        assert!((plant.ppm - drift).abs() < 5.0);
        // And told later that it is so, nothing moves.
        plant.know(drift);
        let worst = plant.run(drift, 60.0, || 0.0);
        assert!(worst < 0.4e6, "{worst}");
    }
}

#[test]
fn a_step_is_taken_without_much_overshoot_and_the_limit_holds() {
    let mut plant = Plant::new();
    plant.know(100.0);
    plant.run(100.0, 120.0, || 0.0);
    plant.latency = 5e6;
    plant.run(100.0, 30.0, || 0.0);
    assert!(plant.latency < 1.5e6, "{}", plant.latency);
    let (mut low, end) = (0.0f64, plant.now + 300.0);
    while plant.now < end {
        plant.run(100.0, 1.0, || 0.0);
        low = low.min(plant.latency);
    }
    assert!(low > -1.2e6, "{low}");
    plant.latency = 900e6;
    plant.run(100.0, 20.0, || 0.0);
    assert_eq!(plant.ppm, 1_000.0);
}

#[test]
fn a_new_sender_starts_at_the_speed_of_the_last() {
    let mut plant = Plant::new();
    plant.know(80.0);
    plant.run(80.0, 60.0, || 0.0);
    plant.controller.reset();
    plant.estimate = None;
    plant.run(80.0, 1.0, || 0.0);
    assert!((plant.ppm - 80.0).abs() < 3.0, "{}", plant.ppm);
}

#[test]
fn values_out_of_range_are_refused() {
    let bad = DriftControlConfig {
        time_constant: 0.0,
        ..DriftControlConfig::default()
    };
    let error = DriftController::new(&bad).unwrap_err().to_string();
    assert!(error.contains("time_constant") && error.contains("1 to 1000"));
}
