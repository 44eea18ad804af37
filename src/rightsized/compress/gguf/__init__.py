"""GGUF: conversion of checkpoints, quantisation, and the proof that a file answers as its original does."""
