// From bytes to a picture: recognises the format, checks the limits and calls the decoder.
#include <algorithm>
#include <cctype>
#include <charconv>
#include <string_view>

#include "core/error.h"
#include "data/file.h"
#include "data/image_formats.h"
#include "data/image_ops.h"

namespace mld {
namespace {

using Decoder = Image (*)(const EncodedImage&);

// A format recognised by the bytes at an offset; one without a decoder is refused by name.
struct Format {
  const char* name;
  size_t offset;
  std::string_view magic;
  Decoder decode;
};

using std::string_view_literals::operator""sv;
constexpr Format kFormats[] = {
    {"JPEG", 0, "\xFF\xD8\xFF"sv, decode_jpeg},
    {"PNG", 0, "\x89PNG\r\n\x1A\n"sv, decode_png},
    {"GIF", 0, "GIF87a"sv, decode_gif},
    {"GIF", 0, "GIF89a"sv, decode_gif},
    {"BMP", 0, "BM"sv, decode_bmp},
    {"PNM", 0, "P1"sv, decode_pnm},
    {"PNM", 0, "P2"sv, decode_pnm},
    {"PNM", 0, "P3"sv, decode_pnm},
    {"PNM", 0, "P4"sv, decode_pnm},
    {"PNM", 0, "P5"sv, decode_pnm},
    {"PNM", 0, "P6"sv, decode_pnm},
    {"WebP", 8, "WEBP"sv, decode_webp},
    {"TIFF", 0, "II*\0"sv, decode_tiff},
    {"TIFF", 0, "MM\0*"sv, decode_tiff},
    {"BigTIFF", 0, "II+\0"sv, decode_tiff},
    {"BigTIFF", 0, "MM\0+"sv, decode_tiff},
    {"AVIF", 4, "ftypavif"sv, nullptr},
    {"HEIC", 4, "ftyphei"sv, nullptr},
    {"JPEG XL", 0, "\xFF\x0A"sv, nullptr},
    {"JPEG XL", 4, "JXL \r\n"sv, nullptr},
    {"JPEG 2000", 4, "jP  \r\n"sv, nullptr},
};
constexpr Format kTga = {"TGA", 0, ""sv, decode_tga};

// The format by its magic number; null for TGA.
const Format* marked_format(std::span<const uint8_t> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const auto matches = [&](const Format& format) {
    return text.size() >= format.offset &&
           text.substr(format.offset).substr(0, format.magic.size()) == format.magic;
  };
  const auto* found = std::find_if(std::begin(kFormats), std::end(kFormats), matches);
  return found != std::end(kFormats) ? found : nullptr;
}

// Two letters may also begin a text: a PNM's are followed by white space and a digit or a comment,
// a BMP's by a size and four zeros.
bool is_plausible(const Format& format, std::span<const uint8_t> start) {
  if (format.decode == decode_pnm) {
    return start.size() > 3 && std::isspace(start[2]) != 0 &&
           (std::isdigit(start[3]) != 0 || start[3] == '#');
  }
  return format.decode != decode_bmp ||
         (start.size() > 10 &&
          std::all_of(&start[6], &start[10], [](uint8_t b) { return b == 0; }));
}

}  // namespace

void fail_decoding(const EncodedImage& file, const char* format, const std::string& problem) {
  fail<DataError>("{}: {}: {}", file.name, format, problem);
}

void check_image_size(const EncodedImage& file, const char* format, int64_t width,
                      int64_t height) {
  if (width <= 0 || height <= 0) {
    fail_decoding(file, format,
                  fmt::format("{} x {} pixels, expected at least one", width, height));
  }
  const ImageLimits& limits = file.options.limits;
  if (width > limits.max_side || height > limits.max_side) {
    fail_decoding(file, format, fmt::format("{} x {} pixels, at most {} a side are read", width,
                                            height, limits.max_side));
  }
  if (width * height > limits.max_pixels) {
    fail_decoding(file, format, fmt::format("{} x {} pixels, at most {} are read "
                                            "(data.max_pixels; predict --max-pixels)",
                                            width, height, limits.max_pixels));
  }
}

// Colour and background mixed by opacity, as Pillow's Image.paste with a mask does.
static uint8_t mixed(uint8_t colour, uint8_t background, uint8_t alpha) {
  const int sum = colour * alpha + background * (255 - alpha) + 128;
  return static_cast<uint8_t>(((sum >> 8) + sum) >> 8);
}

static Rgb flat(const Rgba& colour, const std::optional<Rgb>& background) {
  if (!background) {
    return {colour.red, colour.green, colour.blue};
  }
  return {mixed(colour.red, (*background)[0], colour.alpha),
          mixed(colour.green, (*background)[1], colour.alpha),
          mixed(colour.blue, (*background)[2], colour.alpha)};
}

void apply_palette(const EncodedImage& file, const char* format, std::span<const Rgba> palette,
                   Image& image) {
  std::vector<Rgb> colours;
  for (const Rgba& colour : palette) {
    colours.push_back(flat(colour, file.options.background));
  }
  const uint8_t* indices = palette_indices(image);
  for (size_t i = 0; i < image.rgb.size() / 3; ++i) {
    const size_t index = indices[i];
    if (index >= colours.size()) {
      fail_decoding(file, format, fmt::format("a pixel has colour {} of a palette of {}", index,
                                              colours.size()));
    }
    std::copy_n(colours[index].begin(), 3, &image.rgb[3 * i]);  // never overtakes the reads
  }
}

void flatten(const EncodedImage& file, const uint8_t* rgba, size_t count, uint8_t* rgb) {
  const std::optional<Rgb>& background = file.options.background;
  for (const uint8_t* end = rgba + 4 * count; rgba != end; rgba += 4, rgb += 3) {
    const Rgb colour = flat({rgba[0], rgba[1], rgba[2], rgba[3]}, background);
    std::copy_n(colour.begin(), 3, rgb);
  }
}

std::string colour_text(const std::optional<Rgb>& colour) {
  return colour ? fmt::format("#{:02x}{:02x}{:02x}", (*colour)[0], (*colour)[1], (*colour)[2]) : "";
}

std::optional<std::optional<Rgb>> colour_of(std::string_view text) {
  if (text.empty()) {
    return std::optional<Rgb>();
  }
  uint32_t value = 0;
  const char* end = text.data() + text.size();
  const bool form = text.size() == 7 && text[0] == '#' && text[1] != '-';
  if (!form || std::from_chars(text.data() + 1, end, value, 16).ptr != end) {
    return std::nullopt;
  }
  return Rgb{static_cast<uint8_t>(value >> 16), static_cast<uint8_t>(value >> 8),
             static_cast<uint8_t>(value)};
}

PictureKind picture_kind(std::span<const uint8_t> start) {
  const Format* format = marked_format(start);
  if (format == nullptr || !is_plausible(*format, start)) {
    return {};
  }
  return {format->name, format->decode != nullptr};
}

Image decode_image(std::span<const uint8_t> bytes, const std::string& name,
                   const DecodeOptions& options) {
  const int64_t limit = options.limits.max_file_bytes;
  require<DataError>(!bytes.empty(), "{}: the file is empty, expected a picture", name);
  require<DataError>(bytes.size() <= static_cast<size_t>(limit),
                     "{}: {} bytes, at most {} are read", name, bytes.size(), limit);
  const Format* format = marked_format(bytes);
  if (format == nullptr && looks_like_tga(bytes)) {
    format = &kTga;
  }
  require<DataError>(format != nullptr,
                     "{}: not a picture format we know (it starts with byte 0x{:02X}); expected "
                     "JPEG, PNG, GIF, BMP, PNM, TGA, WebP or TIFF",
                     name, bytes[0]);
  require<DataError>(format->decode != nullptr,
                     "{}: {} pictures are not supported; convert it to JPEG or PNG", name,
                     format->name);
  Image image = format->decode({bytes, name, options});
  if (options.turn && image.facts.orientation != 1) {
    PictureFacts facts = std::move(image.facts);
    image = upright(std::move(image), facts.orientation);
    image.facts = std::move(facts);
  }
  return image;
}

Image load_image(const std::filesystem::path& path, const DecodeOptions& options) {
  const std::string bytes = read_text_file(path, options.limits.max_file_bytes);
  return decode_image({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()},
                      path.string(), options);
}

}  // namespace mld
