#include "data/tokenizer.h"

#include <algorithm>
#include <queue>

#include "core/error.h"
#include "data/file.h"
#include "data/gzip.h"
#include "data/prompt_text.h"
#include "data/text.h"
#include "data/unicode.h"

namespace mld {

namespace {

constexpr int32_t kBytes = 256;
constexpr int32_t kPublishedMerges = 262144;  // lines of the published file; the first are used
constexpr size_t kMostBytes = size_t{16} << 20;
constexpr std::string_view kEndOfPiece = "</w>";

// In the vocabulary's files printable bytes stand for themselves, as Latin-1 characters; the
// others, in their order, for U+0100 and following. Ids count the printable ones first.
struct ByteSymbols {
  int32_t id[kBytes];
  uint32_t code[kBytes];  // by byte

  ByteSymbols() {
    int32_t next = 0, hidden = 0;
    for (const bool printable_ones : {true, false}) {
      for (int32_t b = 0; b < kBytes; ++b) {
        const bool shown = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
        if (shown == printable_ones) {
          id[b] = next++;
          code[b] = static_cast<uint32_t>(shown ? b : kBytes + hidden++);
        }
      }
    }
  }
};

const ByteSymbols& byte_symbols() {
  static const ByteSymbols symbols;
  return symbols;
}

uint64_t pair_of(int32_t a, int32_t b) {
  return uint64_t{static_cast<uint32_t>(a)} << 32 | static_cast<uint32_t>(b);
}

std::string text_of(const std::filesystem::path& file) {
  const std::string name = printable(file.native());
  require<DataError>(std::filesystem::exists(file),
                     "{}: no such file; CLIP's vocabulary is clip/bpe_simple_vocab_16e6.txt.gz of "
                     "https://github.com/openai/CLIP", name);
  const std::string bytes = read_text_file(file, kMostBytes);
  return is_gzip(bytes) ? gunzip(bytes, kMostBytes, name) : bytes;
}

}  // namespace

Tokenizer::Tokenizer(const std::filesystem::path& file)
    : Tokenizer(text_of(file), printable(file.native())) {}

Tokenizer::Tokenizer(std::string_view merges, const std::string& name) { read(merges, name); }

void Tokenizer::read(std::string_view merges, const std::string& name) {
  const auto lines = std::count(merges.begin(), merges.end(), '\n') - 1 +
                     (merges.ends_with('\n') ? 0 : 1);
  require<DataError>(lines == kMerges || lines == kPublishedMerges,
                     "{}: {} merges behind the first line, expected {} or {}: not CLIP's "
                     "vocabulary", name, std::max<int64_t>(lines, 0), kPublishedMerges, kMerges);
  std::unordered_map<std::string, int32_t> symbols;
  bytes_.resize(kVocabulary);
  for (int32_t b = 0; b < kBytes; ++b) {
    const int32_t id = byte_symbols().id[b];
    std::string symbol;
    append_utf8(byte_symbols().code[b], symbol);
    symbols.emplace(symbol, id);
    symbols.emplace(symbol + std::string(kEndOfPiece), id + kBytes);
    bytes_[static_cast<size_t>(id)] = std::string(1, static_cast<char>(b));
    bytes_[static_cast<size_t>(id + kBytes)] = bytes_[static_cast<size_t>(id)] + " ";
  }
  merges.remove_prefix(std::min(merges.find('\n') + 1, merges.size()));
  for (int32_t id = 2 * kBytes; id < kStart; ++id) {
    const std::string_view line = trimmed(merges.substr(0, merges.find('\n')));
    merges.remove_prefix(std::min(merges.find('\n'), merges.size() - 1) + 1);
    const size_t space = std::min(line.find(' '), line.size());
    const auto a = symbols.find(std::string(line.substr(0, space)));
    const auto b = symbols.find(std::string(line.substr(std::min(space + 1, line.size()))));
    require<DataError>(a != symbols.end() && b != symbols.end(),
                       "{}:{}: expected two symbols made in earlier lines, got '{}'", name,
                       id - 2 * kBytes + 2, printable(line));
    const std::string joined = a->first + b->first;
    const std::string bytes = bytes_[static_cast<size_t>(a->second)] +
                              bytes_[static_cast<size_t>(b->second)];
    merged_.emplace(pair_of(a->second, b->second), id);
    require<DataError>(symbols.emplace(joined, id).second, "{}:{}: '{}' is there twice", name,
                       id - 2 * kBytes + 2, printable(joined));
    bytes_[static_cast<size_t>(id)] = bytes;
  }
  bytes_[kStart] = kStartText;
  bytes_[kEnd] = kEndText;
}

// The pair that comes first in the vocabulary is merged first, the leftmost one of equals. A merge
// makes only pairs that come later, so one queue of all pairs is enough: n log n for n bytes.
void Tokenizer::encode_piece(std::string_view piece, std::vector<int32_t>& ids) const {
  struct Symbol {
    int32_t id;
    size_t before, behind;  // neighbours
  };
  struct Candidate {
    int32_t id;  // of the pair
    size_t left, right;
    uint64_t pair;
    bool operator<(const Candidate& other) const {  // the queue gives the largest first
      return id != other.id ? id > other.id : left > other.left;
    }
  };
  const size_t n = piece.size();
  std::vector<Symbol> symbols;
  for (size_t i = 0; i < n; ++i) {
    const int32_t id = byte_symbols().id[static_cast<uint8_t>(piece[i])];
    symbols.push_back({id + (i + 1 == n ? kBytes : 0), i - 1, i + 1});
  }
  std::priority_queue<Candidate> queue;
  const auto consider = [&](size_t left, size_t right) {
    if (left < n && right < n) {
      const uint64_t pair = pair_of(symbols[left].id, symbols[right].id);
      if (const auto found = merged_.find(pair); found != merged_.end()) {
        queue.push({found->second, left, right, pair});
      }
    }
  };
  for (size_t i = 0; i + 1 < n; ++i) {
    consider(i, i + 1);
  }
  constexpr int32_t kGone = -1;
  while (!queue.empty()) {
    const Candidate next = queue.top();
    queue.pop();
    Symbol &left = symbols[next.left], &right = symbols[next.right];
    if (left.behind != next.right || pair_of(left.id, right.id) != next.pair) {
      continue;  // one of the two has been merged since
    }
    left = {next.id, left.before, right.behind};
    right.id = kGone;
    if (left.behind < n) {
      symbols[left.behind].before = next.left;
    }
    consider(left.before, next.left);
    consider(next.left, left.behind);
  }
  for (const Symbol& symbol : symbols) {
    if (symbol.id != kGone) {
      ids.push_back(symbol.id);
    }
  }
}

std::vector<int32_t> Tokenizer::encode(std::string_view text) const {
  std::vector<int32_t> ids;
  const std::string cleaned = cleaned_prompt(text);
  for (const std::string_view piece : prompt_pieces(cleaned)) {
    if (piece == kStartText || piece == kEndText) {
      ids.push_back(piece == kStartText ? kStart : kEnd);
    } else {
      encode_piece(piece, ids);
    }
  }
  return ids;
}

std::vector<int32_t> Tokenizer::context(std::string_view text, int64_t length,
                                        bool truncate) const {
  std::vector<int32_t> ids = encode(text);
  const auto room = static_cast<size_t>(std::max<int64_t>(length - 2, 0));
  require<DataError>(ids.size() <= room || truncate,
                     "'{}': {} tokens, at most {} fit beside start and end; shorten the text",
                     printable(text), ids.size(), room);
  ids.resize(std::min(ids.size(), room));
  ids.insert(ids.begin(), kStart);
  ids.push_back(kEnd);
  ids.resize(static_cast<size_t>(length));
  return ids;
}

std::string Tokenizer::decode(std::span<const int32_t> ids) const {
  std::string text;
  for (const int32_t id : ids) {
    require(id >= 0 && id < kVocabulary, "Tokenizer: id {} is not in [0, {})", id, kVocabulary);
    text += bytes_[static_cast<size_t>(id)];
  }
  return text;
}

}  // namespace mld
