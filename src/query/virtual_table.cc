#include "query/virtual_table.h"

#include <new>
#include <utility>

namespace vs::query {
namespace {

// What a module owns: one per table name, destroyed by SQLite with the module.
struct Module {
  std::unique_ptr<VirtualTable> table;
  ErrorSlot* errors = nullptr;
};

struct TableHandle : sqlite3_vtab {
  Module* module = nullptr;
};

struct CursorHandle : sqlite3_vtab_cursor {
  std::unique_ptr<Cursor> cursor;
  std::int64_t row_number = 0;
};

CursorHandle& handle_of(sqlite3_vtab_cursor* cursor) { return *static_cast<CursorHandle*>(cursor); }
Module& module_of(sqlite3_vtab_cursor* cursor) {
  return *static_cast<TableHandle*>(cursor->pVtab)->module;
}

// SQLite is C: an exception must not cross it. Only memory can run out below.
template <typename Body>
int guarded(Body body) noexcept {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return SQLITE_NOMEM;
  } catch (...) {
    return SQLITE_INTERNAL;
  }
}

int report(sqlite3_vtab_cursor* cursor, Status status) {
  if (status.ok()) return SQLITE_OK;
  const bool cancelled = status.error().code == ErrorCode::kCancelled;
  module_of(cursor).errors->set(std::move(status).error());
  return cancelled ? SQLITE_INTERRUPT : SQLITE_ERROR;
}

int connect(sqlite3* connection, void* aux, int, const char* const*, sqlite3_vtab** out, char**) {
  return guarded([&] {
    Module* const module = static_cast<Module*>(aux);
    const int code = sqlite3_declare_vtab(connection, module->table->declaration().c_str());
    if (code != SQLITE_OK) return code;
    auto handle = std::make_unique<TableHandle>();
    static_cast<sqlite3_vtab&>(*handle) = sqlite3_vtab{};
    handle->module = module;
    *out = handle.release();
    return SQLITE_OK;
  });
}

int disconnect(sqlite3_vtab* table) {
  delete static_cast<TableHandle*>(table);
  return SQLITE_OK;
}

int best_index(sqlite3_vtab* table, sqlite3_index_info* info) {
  return guarded(
      [&] { return static_cast<TableHandle*>(table)->module->table->best_index(*info); });
}

int open_cursor(sqlite3_vtab* table, sqlite3_vtab_cursor** out) {
  return guarded([&] {
    auto handle = std::make_unique<CursorHandle>();
    static_cast<sqlite3_vtab_cursor&>(*handle) = sqlite3_vtab_cursor{};
    handle->cursor = static_cast<TableHandle*>(table)->module->table->open();
    *out = handle.release();
    return SQLITE_OK;
  });
}

int close_cursor(sqlite3_vtab_cursor* cursor) {
  delete static_cast<CursorHandle*>(cursor);
  return SQLITE_OK;
}

int filter(sqlite3_vtab_cursor* cursor, int plan_number, const char* plan, int count,
           sqlite3_value** values) {
  return guarded([&] {
    const auto arguments = parse_plan(plan, count, values);
    handle_of(cursor).row_number = 0;
    return report(cursor, handle_of(cursor).cursor->filter(plan_number, arguments));
  });
}

int next(sqlite3_vtab_cursor* cursor) {
  return guarded([&] {
    ++handle_of(cursor).row_number;
    return report(cursor, handle_of(cursor).cursor->next());
  });
}

int at_end(sqlite3_vtab_cursor* cursor) { return handle_of(cursor).cursor->at_end() ? 1 : 0; }

int column(sqlite3_vtab_cursor* cursor, sqlite3_context* context, int index) {
  return guarded([&] {
    handle_of(cursor).cursor->column(context, index);
    return SQLITE_OK;
  });
}

int row_id(sqlite3_vtab_cursor* cursor, sqlite3_int64* out) {
  *out = handle_of(cursor).row_number;
  return SQLITE_OK;
}

// xCreate is xConnect: the tables exist without CREATE and also take part in the schema.
constexpr sqlite3_module make_module() {
  sqlite3_module module{};
  module.iVersion = 1;
  module.xCreate = connect;
  module.xConnect = connect;
  module.xBestIndex = best_index;
  module.xDisconnect = disconnect;
  module.xDestroy = disconnect;
  module.xOpen = open_cursor;
  module.xClose = close_cursor;
  module.xFilter = filter;
  module.xNext = next;
  module.xEof = at_end;
  module.xColumn = column;
  module.xRowid = row_id;
  return module;
}
constexpr sqlite3_module kModule = make_module();

}  // namespace

Status register_table(sqlite3* connection, const std::string& name,
                      std::unique_ptr<VirtualTable> table, ErrorSlot& errors) {
  auto* const module = new Module{std::move(table), &errors};
  // SQLite calls the destructor also when this fails.
  const int code = sqlite3_create_module_v2(connection, name.c_str(), &kModule, module,
                                            [](void* p) { delete static_cast<Module*>(p); });
  const std::string sql = "CREATE VIRTUAL TABLE \"" + name + "\" USING \"" + name + "\"";
  if (code != SQLITE_OK ||
      sqlite3_exec(connection, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
    return Error{ErrorCode::kInternal,
                 "cannot register table " + name + ": " + sqlite3_errmsg(connection), "", ""};
  }
  return {};
}

}  // namespace vs::query
