// WebP through libwebp: lossy and lossless, of an animation the first picture on its canvas.
#include <memory>
#include <new>

#include <webp/decode.h>
#include <webp/demux.h>

#include "data/image_formats.h"

namespace mld {
namespace {

constexpr const char* kFormat = "WebP";

struct FreeDemuxer {
  void operator()(WebPDemuxer* demuxer) const { WebPDemuxDelete(demuxer); }
};

// Decodes a frame of three channels to its place on the canvas.
void decode_frame(const EncodedImage& file, const WebPIterator& frame, Image& canvas) {
  WebPDecoderConfig config;
  if (WebPInitDecoderConfig(&config) == 0) {
    fail_decoding(file, kFormat, "libwebp is another version than its headers");
  }
  config.output.colorspace = MODE_RGB;  // alpha dropped
  config.output.is_external_memory = 1;
  WebPRGBABuffer& rows = config.output.u.RGBA;
  rows.rgba = canvas.pixel(frame.x_offset, frame.y_offset);
  rows.stride = canvas.width * 3;
  rows.size = canvas.rgb.size() - static_cast<size_t>(rows.rgba - canvas.rgb.data());
  const VP8StatusCode status = WebPDecode(frame.fragment.bytes, frame.fragment.size, &config);
  WebPFreeDecBuffer(&config.output);
  if (status == VP8_STATUS_OUT_OF_MEMORY) {
    throw std::bad_alloc();
  }
  if (status != VP8_STATUS_OK) {
    fail_decoding(file, kFormat, status == VP8_STATUS_NOT_ENOUGH_DATA
                                     ? "the file ends early"
                                     : "the pixels are damaged");
  }
}

}  // namespace

Image decode_webp(const EncodedImage& file) {
  const WebPData data = {file.bytes.data(), file.bytes.size()};
  WebPDemuxState state = WEBP_DEMUX_PARSE_ERROR;
  const std::unique_ptr<WebPDemuxer, FreeDemuxer> demuxer(WebPDemuxPartial(&data, &state));
  if (demuxer == nullptr || state != WEBP_DEMUX_DONE) {
    fail_decoding(file, kFormat, state == WEBP_DEMUX_PARSE_ERROR ? "the file is damaged"
                                                                 : "the file ends early");
  }
  const int64_t width = WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_WIDTH);
  const int64_t height = WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_HEIGHT);
  check_image_size(file, kFormat, width, height);
  WebPIterator frame;
  if (WebPDemuxGetFrame(demuxer.get(), 1, &frame) == 0) {
    fail_decoding(file, kFormat, "there is no picture in the file");
  }
  const std::unique_ptr<WebPIterator, decltype(&WebPDemuxReleaseIterator)> release(
      &frame, WebPDemuxReleaseIterator);
  int frame_width = 0, frame_height = 0;  // as the pixels themselves say
  if (frame.complete == 0 ||
      WebPGetInfo(frame.fragment.bytes, frame.fragment.size, &frame_width, &frame_height) == 0 ||
      frame_width + int64_t{frame.x_offset} > width ||
      frame_height + int64_t{frame.y_offset} > height) {
    fail_decoding(file, kFormat, "the first picture is damaged");
  }
  Image image(static_cast<int>(width), static_cast<int>(height));
  decode_frame(file, frame, image);
  return image;
}

}  // namespace mld
