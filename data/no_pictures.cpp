// Stubs for a build without the libraries of formats/voc_xml.cpp, image_encode.cpp and all picture
// decoders except PNM's: they fail with a message that says so.
#include "core/error.h"
#include "data/formats/voc.h"
#include "data/image_encode.h"
#include "data/image_formats.h"

namespace mld {

[[noreturn]] static void absent(const std::string& name, const char* what) {
  // Not a DataError: the picture is not at fault, and must not be skipped as damaged.
  fail("{}: this build has no {} (it was made with -DMLD_PICTURES=OFF); build with "
       "-DMLD_PICTURES=ON, which needs the packages listed in tools/setup", name, what);
}

Image decode_jpeg(const EncodedImage& file) { absent(file.name, "JPEG decoder"); }
Image decode_png(const EncodedImage& file) { absent(file.name, "PNG decoder"); }
Image decode_gif(const EncodedImage& file) { absent(file.name, "GIF decoder"); }
Image decode_bmp(const EncodedImage& file) { absent(file.name, "BMP decoder"); }
Image decode_tga(const EncodedImage& file) { absent(file.name, "TGA decoder"); }
Image decode_webp(const EncodedImage& file) { absent(file.name, "WebP decoder"); }
Image decode_tiff(const EncodedImage& file) { absent(file.name, "TIFF decoder"); }
bool looks_like_tga(std::span<const uint8_t>) { return false; }
std::vector<VocObject> parse_voc(std::string_view, const std::string& name) {
  absent(name, "reader of VOC annotations");
}
std::vector<uint8_t> encode_png(const Image&, const std::string& name) {
  absent(name, "PNG encoder");
}
std::vector<uint8_t> encode_jpeg(const Image&, int, const std::string& name) {
  absent(name, "JPEG encoder");
}

}  // namespace mld
