"""How operations are added to a graph: conversion, scopes, bodies, operators."""
