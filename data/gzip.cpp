#include "data/gzip.h"

#include <memory>

#include <zlib.h>

#include "core/error.h"

namespace mld {

std::string gunzip(std::string_view bytes, size_t max_bytes, const std::string& name) {
  constexpr int kGzipOnly = 16 + MAX_WBITS;
  constexpr size_t kPiece = 1 << 16;
  z_stream stream{};
  require(inflateInit2(&stream, kGzipOnly) == Z_OK, "{}: zlib does not start", name);
  const std::unique_ptr<z_stream, decltype(&inflateEnd)> owner(&stream, &inflateEnd);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::string text;
  int status = Z_OK;
  while (status == Z_OK) {
    const size_t had = text.size();
    text.resize(had + kPiece);
    stream.next_out = reinterpret_cast<Bytef*>(text.data() + had);
    stream.avail_out = kPiece;
    status = inflate(&stream, Z_NO_FLUSH);
    text.resize(had + kPiece - stream.avail_out);
    require<DataError>(text.size() <= max_bytes, "{}: more than {} MiB when unpacked", name,
                       max_bytes >> 20);
    if (status == Z_STREAM_END && stream.avail_in > 0) {
      status = inflateReset(&stream);  // the next member
    }
  }
  require<DataError>(status == Z_STREAM_END, "{}: a damaged or truncated gzip file ({})", name,
                     stream.msg != nullptr ? stream.msg : "it ends too early");
  return text;
}

}  // namespace mld
