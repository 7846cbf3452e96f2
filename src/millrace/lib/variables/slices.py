"""What a saver must know of a slice of a larger variable, and names under scopes of import and export."""

from __future__ import annotations

from typing import Any

from millrace.core import protos


class SaveSliceInfo:
    """Where a variable lies in the larger one that it is a slice of.

    Attributes:
      full_name: the larger variable's name.
      full_shape: its shape.
      var_offset: where the slice begins, for each dimension.
      var_shape: the slice's shape.
    """

    def __init__(
        self,
        full_name: str | None = None,
        full_shape: Any = None,
        var_offset: Any = None,
        var_shape: Any = None,
        save_slice_info_def: Any = None,
        import_scope: str | None = None,
    ) -> None:
        if save_slice_info_def is not None:
            self.full_name: str | None = inside(save_slice_info_def.full_name, import_scope)
            self.full_shape: Any = list(save_slice_info_def.full_shape)
            self.var_offset: Any = list(save_slice_info_def.var_offset)
            self.var_shape: Any = list(save_slice_info_def.var_shape)
        else:
            self.full_name, self.full_shape = full_name, full_shape
            self.var_offset, self.var_shape = var_offset, var_shape

    @property
    def spec(self) -> str:
        """The slice as checkpoints spell it: the whole shape, then `begin,size` pairs: `4 2 0,2:0,2`."""
        whole = "".join(f"{d} " for d in self.full_shape)
        return whole + ":".join(f"{o},{s}" for o, s in zip(self.var_offset, self.var_shape, strict=True))

    def to_proto(self, export_scope: str | None = None) -> Any:
        """The message; None when the larger variable lies outside of `export_scope`."""
        if not is_inside(self.full_name or "", export_scope):
            return None
        return protos.SaveSliceInfoDef(
            full_name=outside(self.full_name or "", export_scope),
            full_shape=self.full_shape,
            var_offset=self.var_offset,
            var_shape=self.var_shape,
        )


def inside(name: str, scope: str | None) -> str:
    """`name` under the scope it is imported into."""
    return f"{scope.rstrip('/')}/{name}" if scope and name else name


def is_inside(name: str, scope: str | None) -> bool:
    """Whether `name` lies under the scope that is exported; everything lies under none."""
    return not scope or name.startswith(scope.rstrip("/") + "/")


def outside(name: str, scope: str | None) -> str:
    """`name` without the scope it is exported from."""
    return name[len(scope.rstrip("/")) + 1 :] if scope and is_inside(name, scope) else name
