#include "session/decode_ahead.h"

#include <algorithm>
#include <utility>

namespace vs::session {

/// What the caller of take() reads.
class DecodeAhead::Cursor final : public reader::StreamCursor {
 public:
  Cursor(DecodeAhead& owner, Stream& stream) : owner_(owner), stream_(stream) {}

  [[nodiscard]] Result<std::span<const model::Event>> next() override {
    if (ended_) return std::span<const model::Event>();
    const Chunk& chunk = owner_.next_chunk(stream_, std::exchange(has_chunk_, true));
    bytes_done_ = chunk.bytes_done;
    ended_ = chunk.last;
    VS_TRY(Status(chunk.status));
    return chunk.events.events();
  }
  [[nodiscard]] Status seek(OwnTime) override {
    return Error{ErrorCode::kInternal, "a stream that is decoded ahead does not seek", "", ""};
  }
  [[nodiscard]] std::uint64_t bytes_done() const override { return bytes_done_; }
  void fields_json(const model::Event&, std::string& out) const override { out += "{}"; }

 private:
  DecodeAhead& owner_;
  Stream& stream_;
  bool has_chunk_ = false;
  bool ended_ = false;
  std::uint64_t bytes_done_ = 0;
};

DecodeAhead::DecodeAhead(unsigned threads, std::size_t streams)
    : chunk_events_(std::clamp<std::size_t>(
          kBytes / (std::max<std::size_t>(streams, 1) * kChunks * sizeof(model::Event)), 64,
          kMostEvents)) {
  for (unsigned i = 0; i < std::max(threads, 1U); ++i) threads_.emplace_back([this] { work(); });
}

DecodeAhead::~DecodeAhead() {
  const std::lock_guard lock(mutex_);
  stop_ = true;
  work_there_.notify_all();
}

std::unique_ptr<reader::StreamCursor> DecodeAhead::take(
    std::unique_ptr<reader::StreamCursor> cursor) {
  Stream& stream = *streams_.emplace_back(std::make_unique<Stream>());
  stream.cursor = std::move(cursor);
  for (Chunk& chunk : stream.chunks) chunk.events.reserve(chunk_events_);
  auto out = std::make_unique<Cursor>(*this, stream);
  const std::lock_guard lock(mutex_);
  stream.waits = true;
  queue_.push_back(&stream);
  work_there_.notify_one();
  return out;
}

const DecodeAhead::Chunk& DecodeAhead::next_chunk(Stream& stream, bool give_back) {
  std::unique_lock lock(mutex_);
  if (give_back) {
    --stream.full;
    stream.next_full = (stream.next_full + 1) % kChunks;
    if (!stream.waits && !stream.ended) {
      stream.waits = true;
      queue_.push_back(&stream);
      work_there_.notify_one();
    }
  }
  if (stream.full == 0) {
    // The merge cannot go on without it: before the others.
    const auto at = std::find(queue_.begin(), queue_.end(), &stream);
    if (at != queue_.end()) std::rotate(queue_.begin(), at, at + 1);
    chunk_there_.wait(lock, [&stream] { return stream.full > 0; });
  }
  return stream.chunks[stream.next_full];
}

void DecodeAhead::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    work_there_.wait(lock, [this] { return stop_ || !queue_.empty(); });
    if (stop_) return;
    Stream& stream = *queue_.front();
    queue_.pop_front();
    Chunk& chunk = stream.chunks[stream.next_empty];
    lock.unlock();
    fill(stream, chunk);
    lock.lock();
    stream.next_empty = (stream.next_empty + 1) % kChunks;
    ++stream.full;
    stream.ended = chunk.last;
    stream.waits = !chunk.last && stream.full < kChunks;
    if (stream.waits) queue_.push_back(&stream);
    chunk_there_.notify_one();
  }
}

void DecodeAhead::fill(Stream& stream, Chunk& chunk) {
  chunk.events.clear();
  chunk.last = false;
  do {
    if (stream.run.empty()) {
      const auto run = stream.cursor->next();
      chunk.status = run.ok() ? Status() : Status(run.error());
      chunk.last = !run.ok() || run.value().empty();
      if (chunk.last) break;
      stream.run = run.value();
    }
    while (!stream.run.empty() && chunk.events.add(stream.run.front())) {
      stream.run = stream.run.subspan(1);
    }
  } while (stream.run.empty());
  chunk.bytes_done = stream.cursor->bytes_done();
}

}  // namespace vs::session
