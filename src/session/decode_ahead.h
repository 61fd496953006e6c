#pragma once
// DecodeAhead: streams decoded by threads of their own, a bounded number of events ahead of the one
// that takes them in order.
//
//   thread 1 ─┐ stream 3: [full][full]   ┐
//   thread 2 ─┤ stream 0: [full][    ]   ├──► merge (the caller's thread)
//             └ stream 1: [    ][    ]   ┘    a stream it waits for is decoded next
//
// Each stream delivers what its cursor would, in the same order; only where a run ends differs.
// What a cursor says is copied into the chunk, since the cursor goes on.
//
// Ownership: owns the cursors and their events; the cursors that take() gives must not outlive it.
// Threads: take() and the cursors it gives belong to one thread; the others are inside. The end of
// a DecodeAhead waits until no cursor is being read (one chunk). Memory: kBytes of events over all
// streams, and their texts (EventCopies).

#include <array>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/result.h"
#include "model/event.h"
#include "reader/trace.h"
#include "session/event_copies.h"

namespace vs::session {

class DecodeAhead {
 public:
  static constexpr std::size_t kBytes = 16U << 20;
  static constexpr std::size_t kChunks = 2;         ///< per stream
  static constexpr std::size_t kMostEvents = 2048;  ///< of a chunk

  /// `streams`: how many there will be, about: shares out the memory.
  DecodeAhead(unsigned threads, std::size_t streams);
  ~DecodeAhead();
  DecodeAhead(const DecodeAhead&) = delete;
  DecodeAhead& operator=(const DecodeAhead&) = delete;

  /// A cursor over the same events. It does not seek() and tells no fields.
  [[nodiscard]] std::unique_ptr<reader::StreamCursor> take(
      std::unique_ptr<reader::StreamCursor> cursor);

 private:
  class Cursor;
  struct Chunk {
    EventCopies events;
    std::uint64_t bytes_done = 0;
    Status status;
    bool last = false;  ///< nothing comes after it
  };
  struct Stream {
    std::unique_ptr<reader::StreamCursor> cursor;
    std::span<const model::Event> run;  ///< of the cursor: what is not copied yet
    std::array<Chunk, kChunks> chunks;
    // guarded by mutex_
    std::size_t full = 0;  ///< chunks to be taken
    bool waits = false;    ///< is in queue_ or with a thread
    bool ended = false;    ///< its last chunk is full
    // of one side each
    std::size_t next_full = 0;   ///< of the taker
    std::size_t next_empty = 0;  ///< of the thread that decodes
  };

  void work();
  static void fill(Stream& stream, Chunk& chunk);
  /// The next chunk, when it is there; the one before is given back.
  [[nodiscard]] const Chunk& next_chunk(Stream& stream, bool give_back);

  const std::size_t chunk_events_;
  std::vector<std::unique_ptr<Stream>> streams_;
  std::mutex mutex_;
  std::condition_variable work_there_;
  std::condition_variable chunk_there_;
  std::deque<Stream*> queue_;          ///< guarded by mutex_: streams with an empty chunk
  bool stop_ = false;                  ///< guarded by mutex_
  std::vector<std::jthread> threads_;  // last: they use the others
};

}  // namespace vs::session
