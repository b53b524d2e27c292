#include "data/formats/tar.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

#include "core/error.h"
#include "data/text.h"

namespace mld {
namespace {

// POSIX.1-2001's ustar header: field offsets and widths.
constexpr int64_t kBlock = 512;
constexpr int64_t kMostTextBytes = int64_t{1} << 20;  // of a long name or a pax header
struct Field {
  size_t at, width;
};
constexpr Field kName{0, 100}, kSize{124, 12}, kSum{148, 8}, kMagic{257, 5}, kPrefix{345, 155};
constexpr size_t kType = 156;

class Indexer {
 public:
  Indexer(std::span<const uint8_t> bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  TarIndex run() {
    while (left() > 0) {
      require<DataError>(left() >= kBlock, "{}: byte {}: {} bytes where a header of {} should be; "
                         "the archive is cut short", name_, at_, left(), kBlock);
      const auto header = bytes_.subspan(static_cast<size_t>(at_), kBlock);
      if (std::ranges::all_of(header, [](uint8_t byte) { return byte == 0; })) {
        at_ += kBlock;
      } else {
        take(header);
      }
    }
    return std::move(index_);
  }

 private:
  int64_t left() const { return static_cast<int64_t>(bytes_.size()) - at_; }

  static std::string_view text(std::span<const uint8_t> header, Field field) {
    const std::string_view all(reinterpret_cast<const char*>(header.data()) + field.at,
                               field.width);
    return all.substr(0, all.find('\0'));
  }

  void take(std::span<const uint8_t> header) {
    check_sum(header);
    const int64_t begin = at_;
    std::string name = long_name_.empty() ? name_in(header) : std::move(long_name_);
    const int64_t size = pax_size_ ? *pax_size_ : size_in(header);
    const char type = static_cast<char>(header[kType]);
    long_name_.clear();
    pax_size_.reset();
    at_ += kBlock;
    const bool has_data = type < '1' || type > '6';  // links, devices and folders have none
    require<DataError>(!has_data || size <= left(),
                       "{}: byte {}: '{}' is said to have {} bytes, but only {} are left; the "
                       "archive is cut short or damaged", name_, begin, printable(name), size,
                       left());
    const auto data = bytes_.subspan(static_cast<size_t>(at_),
                                     static_cast<size_t>(has_data ? size : 0));
    switch (type) {
      case '0': case '\0': case '7':
        index_.files.push_back({std::move(name), at_, size});
        break;
      case 'L':
        long_name_ = text_of(data, begin);
        long_name_.resize(std::min(long_name_.size(), long_name_.find('\0')));
        break;
      case 'x': read_pax(text_of(data, begin), begin); break;
      case 'S':
        fail<DataError>("{}: byte {}: '{}' is a sparse file, which is not read; pack the pictures "
                        "without --sparse", name_, begin, printable(name));
      case 'g': case 'K': case '5': break;  // defaults for pax, a link's long target, a folder
      default: ++index_.skipped; break;
    }
    if (has_data) {
      at_ += std::min(left(), (size + kBlock - 1) / kBlock * kBlock);
    }
  }

  void check_sum(std::span<const uint8_t> header) const {
    int64_t sum = 0, signed_sum = 0;  // old programs added signed bytes
    for (size_t i = 0; i < header.size(); ++i) {
      const bool own = i >= kSum.at && i < kSum.at + kSum.width;
      sum += own ? ' ' : header[i];
      signed_sum += own ? ' ' : static_cast<int8_t>(header[i]);
    }
    const std::optional<int64_t> stored = octal(text(header, kSum));
    require<DataError>(stored && (*stored == sum || *stored == signed_sum),
                       "{}: byte {}: no tar header here: its checksum is wrong{}", name_, at_,
                       at_ == 0 ? "; is the file a tar archive?" : "; the archive is damaged");
  }

  static std::optional<int64_t> octal(std::string_view digits) {
    digits = trimmed(digits);
    int64_t value = 0;
    const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value, 8);
    const bool whole = result.ec == std::errc() && result.ptr == digits.data() + digits.size();
    return whole && value >= 0 ? std::optional(value) : std::nullopt;
  }

  std::string name_in(std::span<const uint8_t> header) const {
    const std::string name(text(header, kName));
    const std::string prefix(text(header, kMagic) == "ustar" ? text(header, kPrefix) : "");
    return prefix.empty() ? name : prefix + "/" + name;
  }

  int64_t size_in(std::span<const uint8_t> header) const {
    std::optional<int64_t> size;
    if (header[kSize.at] == 0x80) {  // GNU: the rest is a big-endian number
      uint64_t value = 0;
      bool small = true;
      for (size_t i = 1; i < kSize.width; ++i) {
        small = small && value >> 55 == 0;
        value = value << 8 | header[kSize.at + i];
      }
      size = small ? std::optional(static_cast<int64_t>(value)) : std::nullopt;
    } else {
      size = octal(text(header, kSize));
    }
    require<DataError>(size.has_value(), "{}: byte {}: the size of '{}' is no number", name_, at_,
                       printable(name_in(header)));
    return *size;
  }

  std::string text_of(std::span<const uint8_t> data, int64_t begin) const {
    const auto size = static_cast<int64_t>(data.size());
    require<DataError>(size <= kMostTextBytes, "{}: byte {}: a name or header of {} bytes, "
                       "expected at most {}", name_, begin, size, kMostTextBytes);
    return {data.begin(), data.end()};
  }

  // Records "21 path=a/b/c.jpg\n", each with its own length in front.
  void read_pax(std::string_view text, int64_t begin) {
    while (!text.empty() && text[0] != '\0') {
      size_t length = 0;
      const auto number = std::from_chars(text.data(), text.data() + text.size(), length);
      const auto digits = static_cast<size_t>(number.ptr - text.data());
      const bool good = number.ec == std::errc() && length > digits + 1 && length <= text.size() &&
                        text[digits] == ' ' && text[length - 1] == '\n';
      require<DataError>(good, "{}: byte {}: a pax header that cannot be read", name_, begin);
      const std::string_view record = text.substr(digits + 1, length - digits - 2);
      text.remove_prefix(length);
      if (record.starts_with("path=")) {
        long_name_ = record.substr(5);
      } else if (record.starts_with("size=")) {
        pax_size_ = number_of<int64_t>(record.substr(5));
        require<DataError>(pax_size_ && *pax_size_ >= 0,
                           "{}: byte {}: a pax header with the size '{}'", name_, begin,
                           printable(record.substr(5)));
      } else {
        require<DataError>(!record.starts_with("GNU.sparse"), "{}: byte {}: a sparse file, which "
                           "is not read; pack the pictures without --sparse", name_, begin);
      }
    }
  }

  std::span<const uint8_t> bytes_;
  const std::string& name_;
  int64_t at_ = 0;
  TarIndex index_;
  std::string long_name_;  // for the next member
  std::optional<int64_t> pax_size_;
};

}  // namespace

TarIndex index_tar(std::span<const uint8_t> bytes, const std::string& name) {
  require<DataError>(!bytes.empty(), "{}: the file is empty, expected a tar archive", name);
  const bool compressed =
      (bytes.size() > 2 && bytes[0] == 0x1F && bytes[1] == 0x8B) ||
      (bytes.size() > 4 && bytes[0] == 0x28 && bytes[1] == 0xB5 && bytes[2] == 0x2F);
  require<DataError>(!compressed, "{}: the archive is compressed, so its pictures cannot be "
                     "reached one by one; unpack it with gunzip or unzstd", name);
  return Indexer(bytes, name).run();
}

}  // namespace mld
