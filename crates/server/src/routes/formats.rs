//! `GET /audio/formats`: what there is to choose from, and what a minute of it costs.

use crate::config::PHONE_LINE_HZ;
use crate::state::State;
use actix_web::{HttpResponse, web};
use callrec::formats;
use serde_json::json;

pub(crate) async fn list(state: web::Data<State>) -> HttpResponse {
    let settings = &state.config.audio;
    let default = formats::catalogue(settings, PHONE_LINE_HZ)
        .into_iter()
        .find(|info| info.format == settings.format)
        .and_then(|info| info.mb_per_minute);
    HttpResponse::Ok().json(json!({
        "formats": formats::catalogue(settings, PHONE_LINE_HZ),
        "recommended": formats::catalogue(settings, PHONE_LINE_HZ).first().map(|info| info.format),
        "default": {
            "format": settings.format,
            "mp3_bitrate": settings.mp3_bitrate,
            "sample_rate": settings.rate,
            "channels": settings.channels,
            "mb_per_minute": default,
        },
        "recording": state.config.record_conversations,
    }))
}
