"""What a saver must know of a slice of a larger variable."""

from __future__ import annotations

from typing import Any

from millrace.core import protos
from millrace.core.scoped_names import in_scope, is_in_scope, out_of_scope


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
            self.full_name: str | None = in_scope(save_slice_info_def.full_name, import_scope)
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
        if not is_in_scope(self.full_name or "", export_scope):
            return None
        return protos.SaveSliceInfoDef(
            full_name=out_of_scope(self.full_name or "", export_scope),
            full_shape=self.full_shape,
            var_offset=self.var_offset,
            var_shape=self.var_shape,
        )
