//! Times and samples, to and fro.

/// Times and samples of a rate in Hz. Places are bounded by [`TimelineLimits::longest_ms`]; beyond, they saturate.
pub(super) trait RateExt {
    fn samples_in_us(self, us: u64) -> u64;
    fn samples_in_ms(self, ms: u64) -> u64;
    fn us_of(self, samples: u64) -> u64;
    fn ms_of(self, samples: u64) -> u64;
    fn ms_of_up(self, samples: u64) -> u64;
}

impl RateExt for u32 {
    fn samples_in_us(self, us: u64) -> u64 {
        scaled(us, u64::from(self), 1_000_000)
    }

    fn samples_in_ms(self, ms: u64) -> u64 {
        scaled(ms, u64::from(self), 1_000)
    }

    fn us_of(self, samples: u64) -> u64 {
        scaled(samples, 1_000_000, u64::from(self))
    }

    fn ms_of(self, samples: u64) -> u64 {
        scaled(samples, 1_000, u64::from(self))
    }

    fn ms_of_up(self, samples: u64) -> u64 {
        self.us_of(samples).div_ceil(1000)
    }
}

fn scaled(value: u64, times: u64, by: u64) -> u64 {
    let scaled = u128::from(value) * u128::from(times) / u128::from(by);
    // Far beyond any stream, and far from overflow in what is added to it.
    u64::try_from(scaled).unwrap_or(u64::MAX).min(u64::MAX / 4)
}
