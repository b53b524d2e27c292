// WebP through libwebp: lossy and lossless; for an animation, the first picture on its canvas.
#include <memory>
#include <new>

#include <webp/decode.h>
#include <webp/demux.h>

#include "data/exif.h"
#include "data/image_formats.h"

namespace mld {
namespace {

constexpr const char* kFormat = "WebP";

struct FreeDemuxer {
  void operator()(WebPDemuxer* demuxer) const { WebPDemuxDelete(demuxer); }
};

// Decodes a frame into its place on a canvas with `channels` bytes a pixel.
void decode_frame(const EncodedImage& file, const WebPIterator& frame, int width, int channels,
                  std::span<uint8_t> canvas) {
  WebPDecoderConfig config;
  if (WebPInitDecoderConfig(&config) == 0) {
    fail_decoding(file, kFormat, "libwebp is another version than its headers");
  }
  config.output.colorspace = channels == 4 ? MODE_RGBA : MODE_RGB;
  config.output.is_external_memory = 1;
  WebPRGBABuffer& rows = config.output.u.RGBA;
  rows.stride = width * channels;
  const size_t begin = static_cast<size_t>(frame.y_offset) * static_cast<size_t>(rows.stride) +
                       static_cast<size_t>(frame.x_offset * channels);
  rows.rgba = &canvas[begin];
  rows.size = canvas.size() - begin;
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

PictureFacts facts_of(const WebPDemuxer* demuxer, WebPDemuxState state) {
  PictureFacts facts;
  facts.transparent = (WebPDemuxGetI(demuxer, WEBP_FF_FORMAT_FLAGS) & ALPHA_FLAG) != 0;
  if (state != WEBP_DEMUX_DONE) {
    facts.damage = "WebP: the file ends early, behind the first picture";
  }
  WebPChunkIterator exif;
  if (WebPDemuxGetChunk(demuxer, "EXIF", 1, &exif) != 0) {
    facts.orientation = exif_orientation({exif.chunk.bytes, exif.chunk.size});
    WebPDemuxReleaseChunkIterator(&exif);
  }
  return facts;
}

}  // namespace

Image decode_webp(const EncodedImage& file) {
  const WebPData data = {file.bytes.data(), file.bytes.size()};
  WebPDemuxState state = WEBP_DEMUX_PARSE_ERROR;
  const std::unique_ptr<WebPDemuxer, FreeDemuxer> demuxer(WebPDemuxPartial(&data, &state));
  if (demuxer == nullptr || state == WEBP_DEMUX_PARSE_ERROR) {
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
  int frame_width = 0, frame_height = 0;  // from the pixel data's own header
  if (frame.complete == 0 ||
      WebPGetInfo(frame.fragment.bytes, frame.fragment.size, &frame_width, &frame_height) == 0 ||
      frame_width + int64_t{frame.x_offset} > width ||
      frame_height + int64_t{frame.y_offset} > height) {
    fail_decoding(file, kFormat, "the first picture is damaged");
  }
  Image image(static_cast<int>(width), static_cast<int>(height));
  image.facts = facts_of(demuxer.get(), state);
  if (image.facts.transparent && file.options.background) {
    std::vector<uint8_t> rgba(image.rgb.size() / 3 * 4);  // transparent around the frame
    decode_frame(file, frame, image.width, 4, rgba);
    flatten(file, rgba.data(), rgba.size() / 4, image.rgb.data());
  } else {
    decode_frame(file, frame, image.width, 3, image.rgb);
  }
  return image;
}

}  // namespace mld
