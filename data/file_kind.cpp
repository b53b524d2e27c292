#include "data/file_kind.h"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <string_view>

namespace mld {
namespace {

using namespace std::string_view_literals;

constexpr size_t kLooked = 512;

constexpr std::string_view kPyTorch =
    "is a PyTorch file (.pth, .pt, .bin); a training can start from it (model.init), and mlinfer "
    "export makes a checkpoint of it";

struct Kind {
  std::string_view begin, what;
  size_t offset = 0;  // of `begin` in the file
};

constexpr Kind kKinds[] = {
    {"\x89HDF\r\n\x1a\n"sv, "is an HDF5 file (Keras, .h5); only safetensors files are read"},
    {"GGUF"sv, "is a GGUF file; only safetensors files are read"},
    {"\x93NUMPY"sv, "is a NumPy array (.npy); only safetensors files are read"},
    {"\x1f\x8b"sv, "is compressed with gzip; unpack it first"},
    {"\xfd"
     "7zXZ"sv, "is compressed with xz; unpack it first"},
    {"\x28\xb5\x2f\xfd"sv, "is compressed with zstd; unpack it first"},
    {"7z\xbc\xaf\x27\x1c"sv, "is a 7z archive; unpack it first"},
    {"ustar"sv, "is a tar archive; unpack it first", 257},
    {"\xff\xd8\xff"sv, "is a picture (JPEG)"},
    {"\x89PNG\r\n\x1a\n"sv, "is a picture (PNG)"},
    {"%PDF-"sv, "is a PDF document"},
    {"SQLite format 3"sv, "is an SQLite data base"},
};

bool has(std::string_view text, std::string_view part, size_t offset = 0) {
  return text.size() >= offset && text.substr(offset).starts_with(part);
}

// Pickle, protocol 2 to 5: the protocol, then a number or a container.
bool is_pickle(std::string_view text) {
  return text.size() > 2 && text[0] == '\x80' && text[1] >= 2 && text[1] <= 5 &&
         "\x8a\x95}](c"sv.find(text[2]) != std::string_view::npos;
}

// A web page: the result of downloading a file that needs a login or no longer exists.
bool is_web_page(std::string_view text) {
  std::string start;
  for (const char c : text.substr(0, std::min(text.size(), size_t{64}))) {
    start += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  start.erase(0, std::min(start.find_first_not_of(" \t\r\n\xef\xbb\xbf"), start.size()));
  return start.starts_with("<!doctype html") || start.starts_with("<html");
}

// The header of a safetensors file: its length, then a JSON object.
bool is_safetensors(std::string_view text) {
  return text.size() > 9 && text[8] == '{' && text.substr(5, 3) == "\0\0\0"sv;
}

}  // namespace

std::string stand_in_kind(std::span<const uint8_t> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()),
                              std::min(bytes.size(), kLooked));
  if (has(text, "version https://git-lfs")) {
    return "is a Git LFS pointer, not the file it stands for; run git lfs pull, or download the "
           "file";
  }
  if (is_web_page(text)) {
    return "is a web page (HTML): what was downloaded is not the file; download it again";
  }
  return "";
}

std::string other_file_kind(std::span<const uint8_t> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()),
                              std::min(bytes.size(), kLooked));
  if (has(text, "PK\x03\x04")) {  // torch.save's archive begins with NAME/data.pkl
    const bool pytorch = text.find("data.pkl") != std::string_view::npos ||
                         text.find(".format_version") != std::string_view::npos;
    return std::string(pytorch ? kPyTorch : "is a zip archive; unpack it first");
  }
  if (is_pickle(text)) {  // torch.save's begins with this number, since before version 1.6
    const bool pytorch = text.substr(0, 32).find("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"sv) !=
                         std::string_view::npos;
    return std::string(pytorch ? kPyTorch : "is a pickle (Python), but none of torch.save");
  }
  if (const std::string stand_in = stand_in_kind(bytes); !stand_in.empty()) {
    return stand_in;
  }
  if (is_safetensors(text)) {
    return "is a safetensors file (weights)";
  }
  for (const Kind& kind : kKinds) {
    if (has(text, kind.begin, kind.offset)) {
      return std::string(kind.what);
    }
  }
  return "";
}

std::string other_file_kind_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string start(kLooked, '\0');
  file.read(start.data(), static_cast<std::streamsize>(start.size()));
  start.resize(static_cast<size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  return other_file_kind({reinterpret_cast<const uint8_t*>(start.data()), start.size()});
}

}  // namespace mld
